// One JSON request a line on standard input, one JSON answer a line on standard output.
// Usage: node katex.js PATH-TO-KATEX
const katex = require(process.argv[2]);
const lines = require("readline").createInterface({ input: process.stdin });

lines.on("line", (line) => {
  const { tex, display, macros } = JSON.parse(line);
  let answer;
  try {
    const options = { displayMode: display, macros, throwOnError: true, strict: "ignore" };
    answer = { html: katex.renderToString(tex, options) };
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
});
