//! Memory in huge pages.

use super::invalid;
use crate::Result;

/// How much memory may be used in huge pages of one size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct HugepageLimit {
    /// The size of a page as the kernel's files name it, in the largest unit: `64KB`, `2MB`, `1GB`.
    pub page_size: String,
    /// Bytes. Counted in whole huge pages: what doesn't fill one is rounded down, and reported. Reservations
    /// (by `mmap`, before a page is touched) are limited alike.
    pub limit: u64,
}

impl HugepageLimit {
    /// A limit on pages of this size.
    pub fn new(page_size: impl Into<String>, limit: u64) -> HugepageLimit {
        HugepageLimit { page_size: page_size.into(), limit }
    }

    /// The size of one page in bytes; `None` for what is no size as the kernel writes it.
    pub(crate) fn page_bytes(&self) -> Option<u64> {
        let digits = self.page_size.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit: u64 = match &self.page_size[digits.len()..] {
            "KB" => 1 << 10,
            "MB" => 1 << 20,
            "GB" => 1 << 30,
            _ => return None,
        };
        if digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        digits.parse::<u64>().ok()?.checked_mul(unit)
    }

    pub(super) fn check(&self) -> Result<()> {
        // It becomes a part of a file's name.
        match self.page_bytes() {
            Some(_) => Ok(()),
            None => Err(invalid("hugepage_limits.page_size", &self.page_size, "no size such as 2MB")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_size_is_a_number_and_a_unit() {
        // One runtime wrote wherever the page size of its configuration led.
        for (size, bytes) in [("64KB", 64 << 10), ("2MB", 2 << 20), ("1GB", 1 << 30), ("16GB", 16 << 30)] {
            assert_eq!(HugepageLimit::new(size, 0).page_bytes(), Some(bytes), "{size}");
        }
        let none =
            ["", "MB", "2", "2M", "2mb", "02MB", "+2MB", "2MB.x", "/../../x/2MB", "2MB/", "-2MB", "٢MB"];
        for size in none.into_iter().chain(["99999999999999999999GB", "18446744073709551615KB"]) {
            assert!(HugepageLimit::new(size, 0).check().is_err(), "{size}");
        }
    }
}
