"""Pure: the command as it was given, and the commands that messages name; every one of them can be pasted.

A message names a command in backquotes, with ``FILE`` in place of the cluster file, which the library mostly doesn't
know: ```clusterctl verify FILE` shows all checks``. ``Command.filled`` puts in the file and the cloud as they were
given; ``cli.output`` does so with all that it prints.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from shlex import quote

_NAMED = re.compile(r"`clusterctl [^`]*`")
_FILE = re.compile(r"(?<=\s)FILE\b")


@dataclass(frozen=True)
class Command:
    """One command line.

    Attributes:
        verb: ``scale``; with its group of verbs: ``image build``.
        file: as it was given.
        words: the arguments after the file.
        options: ``("--cloud", "lab")``, a flag with None; those that were given, with their values.
    """

    verb: str
    file: str = "FILE"
    words: tuple[str, ...] = ()
    options: tuple[tuple[str, str | None], ...] = ()

    def __str__(self) -> str:
        options = [part for name, text in self.options for part in ([name] if text is None else [name, quote(text)])]
        words = [quote(word) for word in self.words]
        if any(word.startswith("-") for word in self.words):  # what follows the file is another program's
            return " ".join(["clusterctl", self.verb, *options, quote(self.file), *words])
        return " ".join(["clusterctl", self.verb, quote(self.file), *words, *options])

    def having(self, **options: str | bool) -> Command:
        """The same with other options: ``only="a,b"``, ``apply=True``; False takes one away."""
        changed = {f"--{key.replace('_', '-')}": value for key, value in options.items()}
        kept = [(name, text) for name, text in self.options if name not in changed]
        added = [(name, None if value is True else str(value)) for name, value in changed.items() if value is not False]
        return replace(self, options=(*kept, *added))

    def other(self, verb: str, *words: str, **options: str | bool) -> Command:
        """Another verb on the same cluster, which is a file and a cloud."""
        cloud = tuple((name, text) for name, text in self.options if name == "--cloud")
        return Command(verb, self.file, words, cloud).having(**options)

    def filled(self, text: str) -> str:
        """The text with the file and the cloud in the commands that it names."""
        cloud = "".join(f"{name} {quote(value or '')} " for name, value in self.options if name == "--cloud")
        return _NAMED.sub(lambda named: _FILE.sub(lambda _: cloud + quote(self.file), named[0]), text)
