// Each folder of src/, and the folders it may import. Anything that is not listed is forbidden.
const layers = {
  common: [],
  merge: ["common"],
  iterator: ["common", "merge"],
  format: ["common"],
  "object-store": ["common"],
  memtable: ["common", "iterator", "format"],
  sst: ["common", "iterator", "format", "object-store"],
  manifest: ["common", "format", "object-store"],
  wal: ["common", "format", "object-store", "memtable", "manifest"],
  flush: ["common", "iterator", "format", "object-store", "memtable", "sst", "manifest"],
  read: ["common", "merge", "iterator", "format", "memtable", "sst"],
  compaction: ["common", "iterator", "format", "object-store", "sst", "manifest"],
  gc: ["common", "format", "object-store", "manifest"],
  admin: ["common", "format", "object-store", "manifest", "sst"],
  testing: ["common", "object-store"],
  db: [
    "common",
    "merge",
    "iterator",
    "format",
    "object-store",
    "memtable",
    "sst",
    "manifest",
    "wal",
    "flush",
    "read",
    "compaction",
    "gc",
  ],
  cli: ["common", "format", "object-store", "manifest", "wal", "db", "admin", "compaction", "gc"],
};
const folders = Object.keys(layers).join("|");
const only = (name, pkg, file) => ({
  name,
  severity: "error",
  from: { path: "^src/", pathNot: `^src/${file}` },
  to: { path: `(^|node_modules/)${pkg}(/|$)` },
});

export default {
  forbidden: [
    ...Object.entries(layers).map(([from, to]) => ({
      name: `layer-${from}`,
      severity: "error",
      from: { path: `^src/${from}/` },
      to: { path: "^src/", pathNot: [from, ...to].map((folder) => `^src/${folder}/`) },
    })),
    {
      name: "every-folder-is-a-layer",
      severity: "error",
      from: { path: "^src/[^/]+/", pathNot: `^src/(${folders})/` },
      to: {},
    },
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    only(
      "aws-sdk-only-in-s3",
      "@(aws-sdk/(?!xml-builder)|smithy/)[^/]+",
      "object-store/s3-sdk\\.ts$",
    ),
    only("xml-only-in-s3-xml", "@aws-sdk/xml-builder", "object-store/s3-xml\\.ts$"),
    only("aws4-only-in-s3-signing", "(@types/)?aws4", "object-store/s3-signing\\.ts$"),
    only("p-queue-only-in-limited", "p-queue", "object-store/limited\\.ts$"),
    only("ulid-only-in-ids", "ulid", "common/ids\\.ts$"),
    only("protobuf-only-in-protobuf-wire", "@bufbuild/protobuf", "format/protobuf-wire\\.ts$"),
    only("command-line-packages-only-in-cli", "(commander|cli-table3)", "cli/"),
    {
      name: "io-only-in-object-store",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/(object-store|testing|cli)/" },
      to: { dependencyTypes: ["core"], pathNot: "^(node:)?zlib$" },
    },
    {
      name: "src-never-imports-tests",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^(test|bench)/" },
    },
    {
      name: "no-dev-dependency-in-src",
      severity: "error",
      from: { path: "^src/" },
      to: { dependencyTypes: ["npm-dev"] },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default", "types"],
    },
  },
};
