//! Addresses as the text that people write.

use ::serde::de::Error as _;
use ::serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{IpNet, MacAddress};

macro_rules! as_text {
    ($($kind:ty),+) => {$(
        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    )+};
}

as_text!(IpNet, MacAddress);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_stored_as_text() {
        let net: IpNet = serde_json::from_str("\"10.0.41.1/16\"").unwrap();
        assert_eq!(serde_json::to_string(&net).unwrap(), "\"10.0.41.1/16\"");
        let mac: MacAddress = serde_json::from_str("\"02:42:0a:00:29:01\"").unwrap();
        assert_eq!(serde_json::to_string(&mac).unwrap(), "\"02:42:0a:00:29:01\"");
        let error = serde_json::from_str::<IpNet>("\"10.0.41.1\"").unwrap_err();
        assert!(error.to_string().contains("it has no \"/\""), "{error}");
    }
}
