// A style sheet on standard input, what the site uses of it on standard output.
// Usage: node styles.js PATH-TO-PURGECSS FILE… (the pages and scripts whose words are looked for)
const { PurgeCSS } = require(process.argv[2]);
const raw = require("fs").readFileSync(0, "utf8");

new PurgeCSS()
  .purge({ css: [{ raw }], content: process.argv.slice(3), variables: true, keyframes: true })
  .then(([kept]) => process.stdout.write(kept.css));
