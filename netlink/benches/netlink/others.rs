//! The same by the crate rtnetlink, on a tokio runtime of one thread.

use std::hint::black_box;
use std::net::Ipv4Addr;

use futures_util::TryStreamExt;
use futures_util::stream::TryStream;
use netlink_packet_route::AddressFamily;
use rtnetlink::{AddressMessageBuilder, Handle, LinkUnspec, LinkVeth, RouteMessageBuilder, new_connection};
use tokio::runtime::{Builder, Runtime};

pub(crate) struct Rtnetlink {
    runtime: Runtime,
    handle: Handle,
}

async fn count<T>(mut all: impl TryStream<Ok = T, Error = rtnetlink::Error> + Unpin) -> usize {
    let mut count = 0;
    while let Some(object) = all.try_next().await.unwrap() {
        black_box(&object);
        count += 1;
    }
    count
}

impl Rtnetlink {
    pub(crate) fn open() -> Rtnetlink {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let handle = runtime.block_on(async {
            let (connection, handle, _) = new_connection().unwrap();
            tokio::spawn(connection);
            handle
        });
        Rtnetlink { runtime, handle }
    }

    pub(crate) fn link(&mut self, name: &str) {
        let found = self.handle.link().get().match_name(name).execute();
        let found = self.runtime.block_on(async { Box::pin(found).try_next().await });
        drop(black_box(found.unwrap().unwrap()));
    }

    pub(crate) fn address(&mut self, index: u32, address: Ipv4Addr) {
        let message = AddressMessageBuilder::<Ipv4Addr>::new().index(index).address(address, 24).build();
        self.runtime.block_on(async {
            self.handle.address().add(index, address.into(), 24).execute().await.unwrap();
            self.handle.address().del(message).execute().await.unwrap();
        });
    }

    pub(crate) fn routes(&mut self, index: u32, all: &[Ipv4Addr]) {
        let message = |to: &Ipv4Addr| {
            RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix(*to, 24)
                .output_interface(index)
                .scope(netlink_packet_route::route::RouteScope::Link)
                .build()
        };
        self.runtime.block_on(async {
            for to in all {
                self.handle.route().add(message(to)).execute().await.unwrap();
            }
            for to in all {
                self.handle.route().del(message(to)).execute().await.unwrap();
            }
        });
    }

    pub(crate) fn mtu(&mut self, index: u32, mtu: u32) {
        let message = LinkUnspec::new_with_index(index).mtu(mtu).build();
        self.runtime.block_on(self.handle.link().set(message).execute()).unwrap();
    }

    pub(crate) fn pair(&mut self, index: u32) {
        let mut message = LinkVeth::new("p0", "p1").build();
        message.header.index = index;
        self.runtime.block_on(async {
            self.handle.link().add(message).execute().await.unwrap();
            self.handle.link().del(index).execute().await.unwrap();
        });
    }

    pub(crate) fn links(&mut self) -> usize {
        self.runtime.block_on(async { count(Box::pin(self.handle.link().get().execute())).await })
    }

    pub(crate) fn list_routes(&mut self) -> usize {
        let message = RouteMessageBuilder::<Ipv4Addr>::new().build();
        self.runtime.block_on(async { count(Box::pin(self.handle.route().get(message).execute())).await })
    }

    pub(crate) fn neighbours(&mut self) -> usize {
        let request = self.handle.neighbours().get().set_address_family(AddressFamily::Inet);
        self.runtime.block_on(async { count(Box::pin(request.execute())).await })
    }
}
