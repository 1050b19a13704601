//! Lists of processors and memory nodes, as the kernel writes them and as systemd takes them.

/// Beyond what any kernel is built for (`NR_CPUS` is 8192 at most): a longer list is a mistake, not a machine.
const HIGHEST: usize = 65_535;

/// Turns `0-3,7` into bytes of eight bits each, the lowest first.
pub(super) fn of(list: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let ranges = list.split([',', '\n']).map(str::trim).filter(|range| !range.is_empty());
    for range in ranges {
        let (range, (used, group)) = match range.split_once(':') {
            Some((range, stride)) => {
                let (used, group) = stride.split_once('/').ok_or_else(|| wrong(range))?;
                (range, (number(used)?, number(group)?))
            }
            None => (range, (1, 1)),
        };
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let (from, to) = (number(from)?, number(to)?);
        if to < from || used == 0 || used > group {
            return Err(wrong(range));
        }
        if bytes.len() <= to / 8 {
            bytes.resize(to / 8 + 1, 0_u8);
        }
        for bit in (from..=to).filter(|bit| (bit - from) % group < used) {
            bytes[bit / 8] |= 1 << (bit % 8);
        }
    }
    Ok(bytes)
}

fn number(word: &str) -> Result<usize, String> {
    let digits = !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    word.parse().ok().filter(|n| digits && *n <= HIGHEST).ok_or_else(|| wrong(word))
}

fn wrong(word: &str) -> String {
    format!("{word:?} is no range such as 0-3")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_are_in_order_beyond_eight_and_over_gaps() {
        // T60: runtimes had the bytes the wrong way round as soon as there were two of them.
        for (list, bytes) in [
            ("0", &[1_u8][..]),
            ("0-3,7", &[0x8f]),
            ("8", &[0, 1]),
            ("0,9", &[1, 2]),
            ("1-9", &[0xfe, 3]),
            ("16-17", &[0, 0, 3]),
            ("63", &[0, 0, 0, 0, 0, 0, 0, 0x80]),
            ("5,5,5", &[0x20]),
            (" 0-1 , 3\n", &[0x0b]),
            ("0-7:2/4", &[0x33]),
            ("", &[]),
        ] {
            assert_eq!(of(list).unwrap(), bytes, "{list}");
        }
    }

    #[test]
    fn a_list_that_is_none_is_refused() {
        for list in [
            "x",
            "3-1",
            "-1",
            "1-",
            "1-2-3",
            "+1",
            "0x1",
            "65536",
            "99999999999999999999",
            "0-4:3/2",
            "0-4:0/2",
            "0-4:2",
        ] {
            assert!(of(list).is_err(), "{list}");
        }
    }
}
