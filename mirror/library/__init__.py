"""The program as a library: what `import mirror` gives."""
