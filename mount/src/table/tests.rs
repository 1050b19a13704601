//! Whole tables: how mounts hang together, and which are hidden.

use std::io::Write;

use super::*;

/// A table of `id parent mount-point`.
fn table(mounts: &[(u64, u64, &str)]) -> Table {
    let line = |(id, parent, at): &(u64, u64, &str)| format!("{id} {parent} 0:5 / {at} rw - tmpfs a rw\n");
    Table::from_bytes(mounts.iter().map(line).collect::<String>().into_bytes()).expect("good lines")
}

fn ids<'a>(entries: impl Iterator<Item = Entry<'a>>) -> Vec<u64> {
    entries.map(|entry| entry.id()).collect()
}

fn drawn<'a>(nodes: impl Iterator<Item = Node<'a>>) -> Vec<(u64, usize, bool)> {
    nodes.map(|node| (node.entry.id(), node.depth, node.is_last)).collect()
}

fn hidden(table: &Table) -> Vec<u64> {
    ids(table.iter().filter(|entry| table.is_hidden(entry.id())))
}

#[test]
fn one_bad_line_fails_the_table_or_is_left_out() {
    // The parsers of Go and procfs lose the whole table to one line, libmount's says nothing.
    let text = b"1 0 0:5 / / rw - tmpfs a rw\ngarbage\r\n\n2 1 0:5 / /a rw - tmpfs a\n3 1 0:5 / /b rw - tmpfs b rw\n";
    let error = Table::from_bytes(text.to_vec()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(error.to_string(), r#"mountinfo line 2 "garbage": fields are missing"#);

    let table = Table::from_bytes_lossy(text.to_vec());
    assert_eq!(ids(table.iter()), [1, 3]);
    let skipped: Vec<_> = table.skipped().map(|error| error.to_string()).collect();
    assert_eq!(skipped[0], error.to_string());
    assert!(skipped[1].starts_with("mountinfo line 4 \"2 1 0:5"), "{skipped:?}");
    assert_eq!(skipped.len(), 2);
}

#[test]
fn an_empty_table_has_nothing() {
    let table = Table::from_bytes(b"\n \r\n".to_vec()).unwrap();
    assert!(table.is_empty() && table.roots().len() == 0 && table.tree().len() == 0);
    assert!(table.get(0).is_none() && table.top_at("/").is_none() && table.mount_of("/a").is_none());
    assert_eq!(table.descendants(0).len() + table.children(0).len() + table.at("/").len(), 0);
}

#[test]
fn propagation_is_taken_apart() {
    let text = "1 0 0:5 / / rw shared:12 master:3 propagate_from:4 unbindable new:9 x - tmpfs a rw\n\
                2 1 0:5 / /a rw - tmpfs a rw\n3 1 0:5 / /a rw  shared:x - tmpfs a rw\n";
    let table = Table::from_bytes(text.into()).unwrap();
    let all = |id| table.get(id).unwrap();
    assert_eq!((all(1).shared(), all(1).master(), all(1).propagate_from()), (Some(12), Some(3), Some(4)));
    assert!(all(1).is_unbindable() && !all(2).is_unbindable());
    assert_eq!(*all(1).optional().last().unwrap(), *"x");
    assert_eq!((all(2).shared(), all(2).optional().count()), (None, 0));
    assert_eq!((all(3).shared(), all(3).optional().count()), (None, 2));
}

#[test]
fn types_may_have_a_subtype() {
    let text = "1 0 0:5 / / rw - fuse.ssh\\040fs a rw\n2 1 0:5 / /a rw - fuse a rw\n";
    let table = Table::from_bytes(text.into()).unwrap();
    let entry = table.get(1).unwrap();
    assert_eq!(entry.subtype().as_deref(), Some("ssh fs".as_ref()));
    assert!(entry.is_type("fuse.ssh fs") && !entry.is_type("fuse"));
    assert_eq!(table.get(2).unwrap().subtype(), None);
}

#[test]
fn a_tree_has_parents_before_children_in_the_kernels_order() {
    let table =
        table(&[(5, 4, "/b/c"), (9, 2, "/z"), (4, 2, "/b"), (2, 1, "/"), (3, 2, "/a"), (6, 4, "/b/d")]);
    assert_eq!(ids(table.roots()), [2]);
    assert_eq!(ids(table.children(2)), [9, 4, 3]);
    let tree = [(2, 0, true), (9, 1, false), (4, 1, false), (5, 2, false), (6, 2, true), (3, 1, true)];
    assert_eq!(drawn(table.tree()), tree);
    assert_eq!(drawn(table.descendants(4)), [(4, 0, true), (5, 1, false), (6, 1, true)]);
    assert_eq!(drawn(table.descendants(3)), [(3, 0, true)]);
    assert_eq!(table.descendants(7).len(), 0);
}

#[test]
fn the_top_may_be_its_own_parent() {
    let table = table(&[(1, 1, "/"), (2, 1, "/a")]);
    assert_eq!((ids(table.roots()), ids(table.children(1))), (vec![1], vec![2]));
    assert_eq!(drawn(table.tree()), [(1, 0, true), (2, 1, true)]);
}

#[test]
fn circles_are_gone_through_once_and_last() {
    let table = table(&[(9, 8, "/t"), (7, 8, "/x"), (8, 7, "/x/y"), (2, 1, "/"), (3, 2, "/a"), (6, 6, "/")]);
    assert_eq!(ids(table.roots()), [2, 6]);
    let tree = [(2, 0, false), (3, 1, true), (6, 0, false), (8, 0, true), (9, 1, false), (7, 1, true)];
    assert_eq!(drawn(table.tree()), tree);
    assert_eq!(ids(table.children(7)), [8]);
}

#[test]
fn of_two_mounts_with_one_id_the_first_has_the_children() {
    let table = table(&[(2, 1, "/"), (3, 2, "/a"), (3, 2, "/b"), (4, 3, "/a/c")]);
    assert_eq!(table.get(3).unwrap().mount_point(), Path::new("/a"));
    assert_eq!(drawn(table.tree()), [(2, 0, true), (3, 1, false), (4, 2, true), (3, 1, true)]);
}

#[test]
fn ids_may_be_any_u64() {
    let table = table(&[(u64::MAX, 0, "/"), (0, u64::MAX, "/a"), (1 << 63, 0, "/a/b")]);
    // The parents go round: of the circle the first line begins.
    assert_eq!(drawn(table.tree()), [(u64::MAX, 0, true), (0, 1, true), (1 << 63, 2, true)]);
    assert_eq!(table.get(1 << 63).unwrap().mount_point(), Path::new("/a/b"));
}

#[test]
fn the_last_of_a_stack_is_the_one_on_top() {
    // Not in the kernel's order: the second was mounted beneath the third.
    let table = table(&[(2, 1, "/"), (3, 2, "/a"), (4, 5, "/a"), (5, 3, "/a"), (6, 4, "/a/b")]);
    assert_eq!(ids(table.at("/a")), [3, 5, 4]);
    assert_eq!(table.top_at("/a").unwrap().id(), 4);
    assert_eq!(hidden(&table), [3, 5]);
    assert_eq!(table.mount_of("/a/b/c").unwrap().id(), 6);
    assert_eq!(table.mount_of("/a/x").unwrap().id(), 4);
}

#[test]
fn what_is_below_a_covered_directory_is_hidden() {
    let table = table(&[
        (2, 1, "/"),
        (3, 2, "/a/b"),
        (4, 3, "/a/b/c"),
        (5, 2, "/a"), // covers 3, and with it 4
        (6, 2, "/ab"),
        (7, 5, "/a/b/c"),
        (8, 2, "/x"),
        (9, 8, "/x/y"),
        (10, 8, "/x"), // covers 8, and what lies on it
    ]);
    assert_eq!(hidden(&table), [3, 4, 8, 9]);
    assert_eq!(ids(table.at("/a/b/c")), [4, 7]);
    assert!(table.top_at("/a/b").is_none() && table.top_at("/x/y").is_none());
    assert_eq!(table.mount_of("/a/b").unwrap().id(), 5);
}

#[test]
fn a_mount_on_the_root_directory_hides_nothing() {
    // Lookups begin at the root directory itself, below what is mounted on it.
    let on_a_mount = table(&[(2, 1, "/"), (3, 2, "/a"), (4, 2, "/"), (5, 4, "/a")]);
    assert_eq!(hidden(&on_a_mount), [4, 5]);
    assert_eq!((on_a_mount.top_at("/").unwrap().id(), on_a_mount.top_at("/a").unwrap().id()), (2, 3));
    let on_a_directory = table(&[(3, 2, "/a"), (4, 2, "/"), (5, 4, "/a")]);
    assert_eq!(hidden(&on_a_directory), [4, 5]);
    assert!(on_a_directory.mount_of("/b").is_none());
}

#[test]
fn a_mount_point_that_ends_in_a_slash_or_is_empty_is_a_place_too() {
    // No kernel writes these. Fuzzing found them: they were listed, and not found at their own path.
    let table = table(&[(1, 1, "/"), (2, 1, "/m/"), (3, 2, "/m"), (4, 1, "")]);
    let at = |path: &str| table.at(path).map(|mount| mount.id()).collect::<Vec<_>>();
    assert_eq!((at("/m"), at("/m/"), at("")), (vec![2, 3], vec![2, 3], vec![4]));
    assert_eq!(table.top_at("/m/").unwrap().id(), 3);
    assert_eq!(table.mount_of("/m/a").unwrap().id(), 3);
    assert!(table.get(4).unwrap().is_beneath("") && !table.get(2).unwrap().is_beneath(""));
}

#[test]
fn paths_are_compared_by_whole_names() {
    // Go's ParentsFilter takes "/foo" for a parent of "/foobar", its PrefixFilter("/") finds only "/".
    let table =
        table(&[(2, 1, "/"), (3, 2, "/foo"), (4, 2, "/foobar"), (5, 4, "/foobar/x"), (6, 2, "/foo\\040x")]);
    let beneath = |path: &str| ids(table.iter().filter(|entry| entry.is_beneath(path)));
    let above = |path: &str| ids(table.iter().filter(|entry| entry.is_above(path)));
    assert_eq!(beneath("/"), [2, 3, 4, 5, 6]);
    assert_eq!((beneath("/foo"), beneath("/foobar/")), (vec![3], vec![4, 5]));
    assert_eq!((beneath("/foo x"), beneath("")), (vec![6], vec![]));
    assert_eq!((above("/foobar/x"), above("/foo/y/z"), above("/")), (vec![2, 4, 5], vec![2, 3], vec![2]));
    assert_eq!(table.top_at("/foo x/").unwrap().id(), 6);
    assert_eq!(table.at("//").len(), 1);
}

#[test]
fn large_hostile_tables_take_no_time() {
    const COUNT: u64 = 100_000;
    type Shape = fn(u64) -> (u64, u64, String);
    let shapes: [Shape; 6] = [
        |i| (i, i.saturating_sub(1), "/a".to_owned()), // one stack
        |i| (i, 0, format!("/{i}")),                   // side by side
        |_| (7, 7, "/a".to_owned()),                   // all the same
        |i| (i, (i + 1) % COUNT, "/a/b".to_owned()),   // one circle
        |i| (i, i ^ 1, format!("/{}", "a/".repeat(i as usize % 50))), // many circles
        |i| (COUNT - i, COUNT - i + 1, "/a".repeat(i as usize % 9)), // backwards
    ];
    for shape in shapes {
        let mut text = Vec::new();
        for (id, parent, at) in (0..COUNT).map(shape) {
            writeln!(text, "{id} {parent} 0:5 / {at} rw - tmpfs a rw").unwrap();
        }
        let table = Table::from_bytes(text).unwrap();
        assert_eq!(table.tree().len(), table.len());
        for path in ["/", "/a", "/a/b"] {
            let _ = (table.top_at(path), table.mount_of(path), table.at(path).len());
        }
        let _ = (table.children(7).len(), table.descendants(0).len(), table.is_hidden(7));
    }
}

#[test]
fn memory_is_used_again() {
    let mut table = table(&[(2, 1, "/"), (3, 2, "/a")]);
    assert_eq!((table.tree().len(), table.at("/a").len()), (2, 1));
    table.bytes = b"4 1 0:5 / /b rw - tmpfs b rw\n".to_vec();
    table.index(true).unwrap();
    assert_eq!((ids(table.iter()), table.get(3), table.at("/a").len()), (vec![4], None, 0));
}
