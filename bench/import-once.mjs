/** Says how many ms it takes to import the modules of its arguments. Started by `questions/import.mjs`. */
const startMs = performance.now();
for (const specifier of process.argv.slice(2)) await import(specifier);
console.log(performance.now() - startMs);
process.exit(0);
