"""Write the C sources of the small libraries that _scheduler.so misses on Debian 12.

usage: gen_shims.py LIBRARY OUTDIR

The library was linked against OpenSSL 1.0, libcurl3 and Python 2.7. For OpenSSL and curl every
symbol that it wants becomes one jump through a table; a constructor fills the table from the
system's OpenSSL 3 and libcurl 4. A name that no longer exists there, and every Python name (only
Python's own import of the library would call them), ends the program with a message.
Writes NAME_shim.c and, where symbols are versioned, the linker's NAME_shim.map.
"""

import re
import subprocess
import sys
from pathlib import Path

# Wanted soname -> what the system has instead. An absolute path for curl, because the shim bears the
# same soname and dlopen would find itself.
STANDS_FOR = {
    "libcurl.so.4": "/usr/lib/x86_64-linux-gnu/libcurl.so.4",
    "libssl.so.1.0.0": "libssl.so.3",
    "libcrypto.so.1.0.0": "libcrypto.so.3",
}
PYTHON_DATA = re.compile(r"_Py_NoneStruct$|PyExc_")

FILL = """
__attribute__((constructor)) static void fill(void) {{
  void *h = dlopen("{real}", RTLD_NOW | RTLD_LOCAL);
  for (int i = 0; i < {count}; i++) {{
    slot[i] = h ? dlsym(h, name[i]) : 0;
    if (!slot[i]) slot[i] = (void *)missing[i];
  }}
}}
"""


def run(*argv: str) -> list[str]:
    """Lines that a program prints; raises CalledProcessError if it fails."""
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()


def undefined(library: str) -> list[tuple[str, str]]:
    """The (symbol, version) pairs that a library wants from others; version may be empty."""
    names = [line.split()[-1] for line in run("nm", "-D", "--undefined-only", library)]
    return [(symbol, version) for symbol, _, version in (name.partition("@") for name in names)]


def versions_by_soname(library: str) -> dict[str, list[str]]:
    """The symbol versions that a library requires of each soname (its .gnu.version_r)."""
    found: dict[str, list[str]] = {}
    soname = ""
    for line in run("readelf", "-V", "-W", library):
        if match := re.search(r"Version: 1\s+File: (\S+)", line):
            soname = match[1]
        elif match := re.search(r"Name: (\S+)\s+Flags", line):
            found.setdefault(soname, []).append(match[1])
    return found


def owner(symbol: str, version: str, offered: dict[str, dict[str, list[str]]]) -> str:
    """The soname that is to define a symbol.

    The loader finds a symbol in any library that is loaded; it insists only on each library
    defining the versions that are listed for it, so a guess by name is enough.
    """
    if version.startswith("CURL"):
        return "libcurl.so.4"
    order = ["libcrypto.so.1.0.0", "libssl.so.1.0.0"]
    if re.match(r"SSL|TLS", symbol):
        order.reverse()
    return next(soname for soname in order if version in offered[soname])


def forwarder(soname: str, symbols: list[str]) -> str:
    """C source of a library that forwards functions to the system's one."""
    lines = ["#define _GNU_SOURCE", "#include <dlfcn.h>", "#include <stdio.h>", "#include <stdlib.h>"]
    lines += [f"static void *slot[{len(symbols)}] __attribute__((used));"]
    lines += ["static const char *const name[] = {", *(f'  "{s}",' for s in symbols), "};"]
    lines += [
        f"static void missing_{i}(void)"
        f' {{ dprintf(2, "{soname} shim: {s} does not exist in {STANDS_FOR[soname]}\\n"); abort(); }}'
        for i, s in enumerate(symbols)
    ]
    lines += ["static void (*const missing[])(void) = {", *(f"  missing_{i}," for i in range(len(symbols))), "};"]
    lines += [FILL.format(real=STANDS_FOR[soname], count=len(symbols))]
    lines += [
        f'__asm__(".globl {s}\\n.type {s},@function\\n{s}: jmp *slot+{8 * i}(%rip)\\n");' for i, s in enumerate(symbols)
    ]
    return "\n".join(lines) + "\n"


def version_script(versions: dict[str, list[str]]) -> str:
    """Linker script that gives each symbol its version; a later version inherits from the one before."""
    text, parent = "", ""
    for version in sorted(versions):
        text += f"{version} {{\n"
        if versions[version]:
            text += "  global: " + " ".join(f"{s};" for s in versions[version]) + "\n"
        if not parent:
            text += "  local: *;\n"
        text += f"}}{parent};\n"
        parent = f" {version}"
    return text


def python_names(symbols: list[str]) -> str:
    """C source that defines Python's names: data as zeroes, functions as an abort with a message."""
    lines = ["#include <stdio.h>", "#include <stdlib.h>"]
    for symbol in symbols:
        if PYTHON_DATA.match(symbol):
            lines.append(f"void *{symbol}[16];")
        else:
            lines.append(f'void *{symbol}(void) {{ dprintf(2, "python shim: {symbol} called\\n"); abort(); }}')
    return "\n".join(lines) + "\n"


def main(library: str, outdir: Path) -> None:
    """Write the sources for everything that the library misses."""
    required = versions_by_soname(library)
    offered: dict[str, dict[str, list[str]]] = {
        soname: {version: [] for version in required.get(soname, [])} for soname in STANDS_FOR
    }
    python: set[str] = set()
    for symbol, version in undefined(library):
        if version.startswith(("OPENSSL_", "CURL_OPENSSL_")):
            offered[owner(symbol, version, offered)][version].append(symbol)
        elif not version and re.match(r"_?Py", symbol):
            python.add(symbol)
    for soname, versions in offered.items():
        base = soname.partition(".so")[0]
        symbols = [symbol for names in versions.values() for symbol in names]
        (outdir / f"{base}_shim.c").write_text(forwarder(soname, symbols))
        (outdir / f"{base}_shim.map").write_text(version_script(versions))
    (outdir / "libpython27_shim.c").write_text(python_names(sorted(python)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
