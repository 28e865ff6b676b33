// Asks Mermaid's own parser whether it accepts each file named on the command line.
// Needs the packages `mermaid` and `jsdom` in the folder named by NODE_FOLDER.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.env.NODE_FOLDER}/index.js`);
const { JSDOM } = require("jsdom");
const dom = new JSDOM("<!doctype html><body></body>");
globalThis.window = dom.window;
globalThis.document = dom.window.document;
const folder = `${process.env.NODE_FOLDER}/node_modules/mermaid/dist/mermaid.core.mjs`;
const { default: mermaid } = await import(pathToFileURL(folder));
mermaid.initialize({ startOnLoad: false });

let refused = 0;
for (const file of process.argv.slice(2)) {
  try {
    await mermaid.parse(readFileSync(file, "utf8"));
  } catch (error) {
    refused += 1;
    console.error(`${file}: ${String(error.message ?? error).split("\n").slice(0, 6).join("\n")}`);
  }
}
console.log(`mermaid: ${process.argv.length - 2 - refused} accepted, ${refused} refused`);
process.exit(refused ? 1 : 0);
