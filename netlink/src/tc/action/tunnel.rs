//! `tunnel_key`: through which tunnel a packet goes.

use std::net::IpAddr;

use super::General;
use crate::error::Failure;
use crate::wire::Request;
use crate::wire::attribute::Attribute;
use crate::wire::tc::numbers::{
    TCA_TUNNEL_KEY_ENC_DST_PORT, TCA_TUNNEL_KEY_ENC_IPV4_DST, TCA_TUNNEL_KEY_ENC_IPV4_SRC,
    TCA_TUNNEL_KEY_ENC_IPV6_DST, TCA_TUNNEL_KEY_ENC_IPV6_SRC, TCA_TUNNEL_KEY_ENC_KEY_ID,
    TCA_TUNNEL_KEY_ENC_OPTS, TCA_TUNNEL_KEY_ENC_TOS, TCA_TUNNEL_KEY_ENC_TTL, TCA_TUNNEL_KEY_NO_CSUM,
    TCA_TUNNEL_KEY_PARMS,
};

/// Says through which tunnel a packet goes, at a link that leaves that open ([`tc-tunnel_key(8)`]).
///
/// [`tc-tunnel_key(8)`]: https://man7.org/linux/man-pages/man8/tc-tunnel_key.8.html
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TunnelKey {
    /// Forgets what was said.
    Release,
    /// Says it.
    #[non_exhaustive]
    Set {
        /// The address of this end.
        source: IpAddr,
        /// The address of the other end.
        destination: IpAddr,
        /// The number within the tunnel (VNI).
        key: Option<u32>,
        /// The port of the other end.
        port: Option<u16>,
        /// Whether the outer packet has no checksum.
        no_checksum: bool,
        /// The outer type of service.
        tos: Option<u8>,
        /// The outer time to live.
        ttl: Option<u8>,
        /// What the kernel's `TCA_TUNNEL_KEY_ENC_OPTS` holds; empty for none.
        options: Vec<u8>,
    },
}

impl TunnelKey {
    /// Says between which addresses, and under which number.
    pub fn set(source: IpAddr, destination: IpAddr, key: u32) -> TunnelKey {
        TunnelKey::Set {
            source,
            destination,
            key: Some(key),
            port: None,
            no_checksum: false,
            tos: None,
            ttl: None,
            options: Vec::new(),
        }
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        match self {
            TunnelKey::Set { source, destination, .. } if source.is_ipv4() != destination.is_ipv4() => {
                Err(Failure::Input("the ends of the tunnel are of different families".to_owned()))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn write(&self, request: &mut Request, general: General) {
        let kind: u32 = if *self == TunnelKey::Release { 2 } else { 1 };
        general.write(request, TCA_TUNNEL_KEY_PARMS, |request| request.header(&kind.to_ne_bytes()));
        let TunnelKey::Set { source, destination, key, port, no_checksum, tos, ttl, options } = self else {
            return;
        };
        let v4 = source.is_ipv4();
        request.ip(if v4 { TCA_TUNNEL_KEY_ENC_IPV4_SRC } else { TCA_TUNNEL_KEY_ENC_IPV6_SRC }, *source);
        request.ip(if v4 { TCA_TUNNEL_KEY_ENC_IPV4_DST } else { TCA_TUNNEL_KEY_ENC_IPV6_DST }, *destination);
        if let Some(key) = key {
            request.be32(TCA_TUNNEL_KEY_ENC_KEY_ID, *key);
        }
        if let Some(port) = port {
            request.be16(TCA_TUNNEL_KEY_ENC_DST_PORT, *port);
        }
        request.bool(TCA_TUNNEL_KEY_NO_CSUM, *no_checksum);
        for (kind, byte) in [(TCA_TUNNEL_KEY_ENC_TOS, tos), (TCA_TUNNEL_KEY_ENC_TTL, ttl)] {
            if let Some(byte) = byte {
                request.u8(kind, *byte);
            }
        }
        if !options.is_empty() {
            request.nest(TCA_TUNNEL_KEY_ENC_OPTS, |request| request.header(options));
        }
    }

    pub(super) fn read(options: Attribute<'_>) -> Option<(General, TunnelKey)> {
        let (general, mut fields) = General::find(options, TCA_TUNNEL_KEY_PARMS)?;
        let find = |kind| options.nested().find(|attribute: &Attribute<'_>| attribute.kind == kind);
        let address = |v4, v6| find(v4).or_else(|| find(v6))?.ip();
        let key = match fields.u32()? {
            2 => TunnelKey::Release,
            1 => TunnelKey::Set {
                source: address(TCA_TUNNEL_KEY_ENC_IPV4_SRC, TCA_TUNNEL_KEY_ENC_IPV6_SRC)?,
                destination: address(TCA_TUNNEL_KEY_ENC_IPV4_DST, TCA_TUNNEL_KEY_ENC_IPV6_DST)?,
                key: find(TCA_TUNNEL_KEY_ENC_KEY_ID).and_then(Attribute::be32),
                port: find(TCA_TUNNEL_KEY_ENC_DST_PORT).and_then(Attribute::be16).filter(|port| *port > 0),
                no_checksum: find(TCA_TUNNEL_KEY_NO_CSUM).and_then(Attribute::bool).unwrap_or_default(),
                tos: find(TCA_TUNNEL_KEY_ENC_TOS).and_then(Attribute::u8),
                ttl: find(TCA_TUNNEL_KEY_ENC_TTL).and_then(Attribute::u8),
                options: find(TCA_TUNNEL_KEY_ENC_OPTS).map(|o| o.payload.to_vec()).unwrap_or_default(),
            },
            _ => return None,
        };
        Some((general, key))
    }
}
