//! Remote memory access.

use super::invalid;
use crate::Result;

/// What may be used of one device for remote memory access (RDMA), such as an InfiniBand adapter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Rdma {
    /// How many times the device may be opened.
    pub hca_handles: Option<u32>,
    /// How many objects (queues, memory regions, …) may be made.
    pub hca_objects: Option<u32>,
}

impl Rdma {
    /// The line of `rdma.max`; what is not given stays as it is.
    pub(crate) fn line(self, device: &str) -> Option<String> {
        let given = [("hca_handle", self.hca_handles), ("hca_object", self.hca_objects)];
        let words = given.iter().filter_map(|(name, value)| Some(format!(" {name}={}", (*value)?)));
        let words: String = words.collect();
        (!words.is_empty()).then(|| format!("{device}{words}"))
    }

    pub(super) fn check(self, device: &str) -> Result<()> {
        word("rdma", device, "device")?;
        for value in [self.hca_handles, self.hca_objects].into_iter().flatten() {
            if i32::try_from(value).is_err() {
                return Err(invalid("rdma", value, "the most that the kernel takes is 2147483647"));
            }
        }
        Ok(())
    }
}

/// Refuses a name that would not be one word of a line.
pub(super) fn word(what: &str, name: &str, of: &str) -> Result<()> {
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control();
    if name.is_empty() || !name.chars().all(is_plain) {
        return Err(invalid(what, name, format!("no name of a {of}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_what_is_given_and_no_more() {
        let rdma = |hca_handles, hca_objects| Rdma { hca_handles, hca_objects };
        assert_eq!(rdma(Some(3), None).line("mlx5_0").unwrap(), "mlx5_0 hca_handle=3");
        assert_eq!(rdma(Some(3), Some(0)).line("m").unwrap(), "m hca_handle=3 hca_object=0");
        assert_eq!(rdma(None, None).line("m"), None);
        assert!(rdma(None, Some(1 << 31)).check("m").is_err());
        for name in ["", "a b", "a\nb", "a\0"] {
            assert!(rdma(Some(1), None).check(name).is_err(), "{name:?}");
        }
    }
}
