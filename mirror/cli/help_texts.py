"""What the commands say of themselves under --help."""

MIRROR = """Copy container images and other OCI artifacts from registry to registry.

\b
  mirror SRC=DST ...              copy what the mappings say
  mirror SRC DST [DST ...]        the same, one source to many destinations
  mirror --file mappings.txt      the same, from a file; - is standard input
  mirror sync CONFIG.yaml         keep repositories and catalogs in step
  mirror verify SRC=DST ...       compare both sides to the last blob
  mirror report RUN.json          what a run came to, as a page with --html

Run `mirror copy --help` for the options of a copy.
"""

COPY = """Copy what the mappings say. This is the command when none is named.

\b
Examples:
  mirror quay.io/team/app:1.2=registry.example.com/team/app
  mirror quay.io/team/app:v1.*=registry.example.com/team/app
  mirror quay.io/team/*=registry.example.com/mirror/*
  mirror --file mappings.txt --report run.json --retry-file again.txt
  mirror --file mappings.txt --dry-run
  mirror --file mappings.txt --shard 2/3 --report share-2.json

\b
A line of a mapping file is SRC=DST, or SRC DST [DST ...]; # starts a comment.
A * in a tag stands for any run of characters, a source without a tag for all
of its tags, a * at the end of a path for every repository that begins so.
oci:PATH[:NAME] is an OCI image layout in a folder, on either side.

\b
Every option can be given as an environment variable as well, --dry-run as
MIRROR_DRY_RUN=1.

\b
Exit codes:
  0    everything asked for is at its destination
  1    something failed; standard error and the report say what
  2    the request makes no sense; nothing was sent
  5    a deadline or a registry's quota came first; what is left is deferred
  130  interrupted (143: terminated)
"""

SYNC = """Keep repositories and whole catalogs in step, as a configuration says.

\b
Examples:
  mirror sync mirror.yaml --dry-run
  mirror sync mirror.yaml --ledger state.db --report run.json --deadline 06:00
  mirror sync --schema > mirror.schema.json

\b
A small configuration:
  version: 1
  sync:
    - source: quay.io/prometheus/*
      destination: registry.example.com/mirror/prometheus/*
      tags: {include: ["v*"], exclude: ["*-rc*"], semver: ">=2.40", newest: 5}
      prune: {tags: true, max-percent: 10}

\b
Exit codes:
  0    everything asked for is at its destination
  1    something failed, or a prune was refused; the report says what
  2    the configuration makes no sense; nothing was sent
  5    another run is under way, or a deadline or a quota came first
  130  interrupted (143: terminated)
"""

VERIFY = """Compare both sides to the last blob; bring what is missing if asked to.

\b
Examples:
  mirror verify quay.io/team/app:1.2=registry.example.com/team/app
  mirror verify --file mappings.txt --deep --report differences.json
  mirror verify --file mappings.txt --repair

\b
What the source names is walked to its last blob, and each part is looked for
at the destination: one HEAD for each, with --deep all is read and hashed.
Standard output has a line for each difference: what is missing, what is
something else, and tags that only the destination has.

\b
Exit codes:
  0    nothing differs, or all that differed was repaired
  1    something could not be compared or repaired
  2    the request makes no sense; nothing was sent
  3    a difference was found
  5    a deadline or a registry's quota came first; what is left is deferred
  130  interrupted (143: terminated)
"""

REPORT = """Tell what a run came to, from its report: in a few lines, as a page, or as JSON.

\b
Examples:
  mirror report run.json
  mirror report run.json --html run.html
  mirror report tonight.json --before yesterday.json --html night.html
  mirror report share-1.json share-2.json share-3.json --output json > run.json

\b
Several reports are told as one: the shares of a run, or a run and those that
went on from it. Of an image in several the run that began last has the word.
The exit code is 1 if a share is missing among them, whatever the runs came to.
The page is one file: no script, nothing from outside, light and dark.
"""

INSPECT = """Show what is behind a reference: digest, platforms, layers, referrers and tags.

\b
Examples:
  mirror inspect quay.io/prometheus/prometheus:v3.0.0
  mirror inspect --raw quay.io/prometheus/prometheus:v3.0.0 | sha256sum
  mirror inspect --tags quay.io/prometheus/prometheus
"""

SERVE = """Run the embedded registry, in memory, until Ctrl-C.

\b
Example:
  mirror serve --listen 127.0.0.1:5000
"""
