//! Groups of next hop objects.

use std::fmt;
use std::time::Duration;

use super::HINTS;
use crate::error::Result;
use crate::handle::Handle;
use crate::wire::attribute::{Attribute, Attributes};
use crate::wire::message::Message;
use crate::wire::numbers::{
    NHA_GROUP, NHA_ID, NHA_OIF, NHA_RES_BUCKET, NHA_RES_BUCKET_IDLE_TIME, NHA_RES_BUCKET_INDEX,
    NHA_RES_BUCKET_NH_ID, NHA_RES_GROUP_BUCKETS, NHA_RES_GROUP_IDLE_TIMER, NHA_RES_GROUP_UNBALANCED_TIME,
    NHA_RES_GROUP_UNBALANCED_TIMER, RTM_GETNEXTHOPBUCKET, USER_HZ,
};
use crate::wire::{Request, u32_at, write_some};

/// One object of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct NexthopMember {
    /// Its number.
    pub id: u32,
    /// Its share of the packets: 1 to 256, since Linux 6.12 to 65535.
    pub weight: u16,
}

impl NexthopMember {
    /// A member by its number, with its share of the packets.
    pub fn new(id: u32, weight: u16) -> NexthopMember {
        NexthopMember { id, weight }
    }
}

/// Written as in a command of ip-nexthop(8): `7` or `7,20`.
impl fmt::Display for NexthopMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.weight {
            1 => write!(f, "{}", self.id),
            weight => write!(f, "{},{weight}", self.id),
        }
    }
}

/// Writes `struct nexthop_grp` of each member; the kernel counts weights from zero.
pub(super) fn write(request: &mut Request, members: &[NexthopMember]) {
    let mut bytes = Vec::with_capacity(members.len() * 8);
    for member in members {
        let [high, low] = member.weight.saturating_sub(1).to_be_bytes();
        bytes.extend(member.id.to_ne_bytes());
        bytes.extend([low, high, 0, 0]);
    }
    request.bytes(NHA_GROUP, &bytes);
}

pub(super) fn read(bytes: &[u8]) -> Vec<NexthopMember> {
    let (members, _) = bytes.as_chunks::<8>();
    let member = |bytes: &[u8; 8]| {
        let weight = u16::from_be_bytes([bytes[5], bytes[4]]).saturating_add(1);
        NexthopMember { id: u32_at(bytes, 0).unwrap_or_default(), weight }
    };
    members.iter().map(member).collect()
}

/// How a group keeps connections on their ways when its members change: packets are spread over buckets, and a bucket
/// changes its member only when it was idle (Linux 5.13). On input `None` is the kernel's own choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Resilient {
    /// How many buckets there are.
    pub buckets: Option<u16>,
    /// After how long without packets a bucket may change its member, to a hundredth of a second.
    pub idle_timer: Option<Duration>,
    /// After how long the shares are made right, packets or not; zero is never.
    pub unbalanced_timer: Option<Duration>,
    /// For how long the shares have not been right; not on input.
    pub unbalanced: Option<Duration>,
}

impl Resilient {
    pub(super) fn write(&self, request: &mut Request) {
        write_some!(
            request,
            u16 NHA_RES_GROUP_BUCKETS self.buckets,
            u32 NHA_RES_GROUP_IDLE_TIMER self.idle_timer.map(ticks),
            u32 NHA_RES_GROUP_UNBALANCED_TIMER self.unbalanced_timer.map(ticks),
        );
    }

    pub(super) fn read(nest: Attribute<'_>) -> Resilient {
        let mut read = Resilient::default();
        for attribute in nest.nested() {
            match attribute.kind {
                NHA_RES_GROUP_BUCKETS => read.buckets = attribute.u16(),
                NHA_RES_GROUP_IDLE_TIMER => read.idle_timer = attribute.u32().map(|time| after(time.into())),
                NHA_RES_GROUP_UNBALANCED_TIMER => {
                    read.unbalanced_timer = attribute.u32().map(|time| after(time.into()));
                }
                NHA_RES_GROUP_UNBALANCED_TIME => read.unbalanced = attribute.u64().map(after),
                _ => {}
            }
        }
        read
    }
}

fn ticks(time: Duration) -> u32 {
    u32::try_from(time.as_millis() * u128::from(USER_HZ) / 1000).unwrap_or(u32::MAX)
}

fn after(ticks: u64) -> Duration {
    Duration::from_millis(ticks.saturating_mul(1000 / USER_HZ))
}

/// A bucket of a [resilient](Resilient) group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct NexthopBucket {
    /// The number of the group.
    pub group: u32,
    /// Which bucket of the group it is.
    pub index: u16,
    /// The number of the member that its packets go by.
    pub member: u32,
    /// For how long it has had no packets.
    pub idle: Duration,
}

impl NexthopBucket {
    pub(crate) fn read(payload: &[u8]) -> Option<NexthopBucket> {
        let (mut group, mut index, mut member, mut idle) = (None, None, None, Duration::ZERO);
        for attribute in Attributes::after(super::HEADER, payload) {
            match attribute.kind {
                NHA_ID => group = attribute.u32(),
                NHA_RES_BUCKET => {
                    for attribute in attribute.nested() {
                        match attribute.kind {
                            NHA_RES_BUCKET_INDEX => index = attribute.u16(),
                            NHA_RES_BUCKET_NH_ID => member = attribute.u32(),
                            NHA_RES_BUCKET_IDLE_TIME => idle = attribute.u64().map_or(idle, after),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        Some(NexthopBucket { group: group?, index: index?, member: member?, idle })
    }
}

/// Which buckets to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NexthopBucketFilter {
    /// Those of the group with this number.
    pub group: Option<u32>,
    /// Those whose member goes by the link with this index.
    pub device: Option<u32>,
    /// Those of the member with this number.
    pub member: Option<u32>,
}

impl Handle {
    /// Lists buckets of resilient groups (Linux 5.13).
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound): there is no such group.
    /// [`Interrupted`](crate::ErrorKind::Interrupted): they came and went each time the list was read.
    pub fn list_nexthop_buckets(&mut self, filter: NexthopBucketFilter) -> Result<Vec<NexthopBucket>> {
        let write = |handle: &mut Handle| {
            let mut request = handle.room();
            request.begin(RTM_GETNEXTHOPBUCKET, 0, &[0; super::HEADER]);
            write_some!(request, u32 NHA_ID filter.group, u32 NHA_OIF filter.device);
            request.nest_unless_empty(NHA_RES_BUCKET, |request| {
                write_some!(request, u32 NHA_RES_BUCKET_NH_ID filter.member);
            });
            request
        };
        let read = |message: &Message<'_>| {
            NexthopBucket::read(message.payload).filter(|bucket| {
                filter.group.is_none_or(|group| group == bucket.group)
                    && filter.member.is_none_or(|member| member == bucket.member)
            })
        };
        self.list(write, read).map_err(|failure| failure.when("list buckets of next hops", HINTS))
    }
}
