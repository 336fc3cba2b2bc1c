"""Operations, in families: the chapters of docs/operations.md. CONTRIBUTING.md shows what goes where."""
