#!/bin/sh
# Makes src/seccomp/numbers.rs, the numbers of the system calls, from the kernel's own headers, as Debian has them:
#
#     apt-get download linux-libc-dev                # 6.19 or later: every architecture in one package
#     dpkg -x linux-libc-dev_*_all.deb new
#     apt-get download linux-libc-dev-s390x-cross    # 6.18 or earlier: the last with s390's 31 bits
#     dpkg -x linux-libc-dev-s390x-cross_*_all.deb old
#     sh numbers.sh new/usr/lib/linux/uapi old/usr/s390x-linux-gnu/include > numbers.rs
#
# Numbers are never taken back, so a newer kernel only adds rows.
set -eu
new=$1 old=$2
for arch in x86 arm64 arm riscv loongarch powerpc s390 mips m68k parisc sh; do
    [ -e "$new/$arch/asm/unistd.h" ] || { echo "$new: has no headers of $arch" >&2; exit 1; }
done
[ -e "$old/asm/unistd_32.h" ] || { echo "$old: has no headers of s390" >&2; exit 1; }
rows=$(mktemp)
trap 'rm -f "$rows"' EXIT

calls() { # ARCH FILE: "NAME ARCH NUMBER" of each call
    awk -v arch="$1" '$1 == "#define" && $2 ~ /^__NR_/ && $NF ~ /[0-9]\)?$/ {
        name = substr($2, 6); number = $NF; gsub(/[^0-9]/, "", number)
        if (name !~ /^(reserved|unused)[0-9]+$/ && $0 !~ /Linux_syscalls|_syscalls/) print name, arch, number
    }' "$2"
}

{
    calls x86_64 "$new/x86/asm/unistd_64.h"
    calls x32 "$new/x86/asm/unistd_x32.h"
    calls x86 "$new/x86/asm/unistd_32.h"
    calls aarch64 "$new/arm64/asm/unistd_64.h"
    calls arm "$new/arm/asm/unistd-eabi.h"
    calls riscv64 "$new/riscv/asm/unistd_64.h"
    calls loongarch64 "$new/loongarch/asm/unistd_64.h"
    calls ppc "$new/powerpc/asm/unistd_32.h"
    calls ppc64 "$new/powerpc/asm/unistd_64.h"
    calls s390 "$old/asm/unistd_32.h"
    calls s390x "$new/s390/asm/unistd_64.h"
    # From 424 on (Linux 5.1) numbers are alike; 469 was the newest call that still got one for 31 bits.
    calls s390 "$new/s390/asm/unistd_64.h" | awk '$3 >= 424 && $3 <= 469'
    calls mips "$new/mips/asm/unistd_o32.h"
    calls mips64 "$new/mips/asm/unistd_n64.h"
    calls mips64n32 "$new/mips/asm/unistd_n32.h"
    calls m68k "$new/m68k/asm/unistd_32.h"
    calls parisc "$new/parisc/asm/unistd_32.h"
    calls parisc64 "$new/parisc/asm/unistd_64.h"
    calls sh "$new/sh/asm/unistd_32.h"
    # The private calls of arm, beside 0xf0000; they stand in the table from 0xff00 on.
    awk '$1 == "#define" && $2 ~ /^__ARM_NR_/ && match($0, /\+[0-9]+\)/) {
        print substr($2, 10), "arm", 65280 + substr($0, RSTART + 1, RLENGTH - 2)
    }' "$new/arm/asm/unistd.h" | grep -v '^BASE '
} | LC_ALL=C sort | awk '
    BEGIN {
        count = split("x86_64 x32 x86 aarch64 arm riscv64 loongarch64 ppc ppc64 s390 s390x mips mips64 " \
            "mips64n32 m68k parisc parisc64 sh", arch)
    }
    function row(    at, text) {
        text = ""
        for (at = 1; at <= count; at++)
            text = text (at > 1 ? ", " : "") (arch[at] in number ? number[arch[at]] : "N")
        printf "    (\"%s\", [%s]),\n", name, text
    }
    $1 != name { if (name != "") body = body row(); name = $1; delete number }
    { number[$2] = $3 }
    END { row() }
' > "$rows"
cat <<HEAD
//! The numbers of the system calls, by name: made by \`tests/seccomp/numbers.sh\` from the kernel's headers.

/// Not there.
const N: u16 = super::calls::NONE;

/// The columns: x86_64, x32 (without its bit), x86, aarch64, arm, riscv64, loongarch64, ppc, ppc64, s390, s390x,
/// mips, mips64, mips64n32 (without their bases), m68k, parisc, parisc64, sh. The rows are sorted.
#[rustfmt::skip]
pub(super) static NUMBERS: [(&str, [u16; 18]); $(wc -l < "$rows")] = [
HEAD
cat "$rows"
echo '];'
