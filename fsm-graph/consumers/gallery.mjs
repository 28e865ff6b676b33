// Draws the comparison pictures of docs/gallery.md: the same machines by Graphviz without hints and by Mermaid.
// Needs Graphviz, Chromium, and the package `mermaid` in the folder named by NODE_FOLDER.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const golden = join(here, "../tests/golden");
const gallery = join(here, "../../docs/gallery");
const machines = ["worker", "team", "human", "database", "host", "branch", "diamonds", "failures", "parallel", "loops", "forty", "no-spine", "names", "hostile"];
mkdirSync(gallery, { recursive: true });

for (const name of machines) {
  const plain = readFileSync(join(golden, `${name}.dot`), "utf8")
    .replace(/, (group=spine|weight=100|constraint=false)/g, "")
    .replace(/\[weight=100\]/g, "")
    .replace(/, tooltip="(\\.|[^"\\])*"/g, "")
    .replace('bgcolor="transparent"', 'bgcolor="white"');
  writeFileSync(join(gallery, `${name}.graphviz.svg`), execFileSync("dot", ["-Tsvg"], { input: plain }));
}

const folder = mkdtempSync(join(tmpdir(), "gallery-"));
const library = pathToFileURL(join(process.env.NODE_FOLDER, "node_modules/mermaid/dist/mermaid.min.js"));
const flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync --allow-file-access-from-files --virtual-time-budget=30000 --dump-dom";
let drawn = 0;
// One page for each: a browser that is told to dump its page does not wait for a long queue.
for (const name of machines) {
  const source = readFileSync(join(golden, `${name}.flat.mmd`), "utf8");
  const draw = `
    mermaid.initialize({ startOnLoad: false, htmlLabels: false, state: { htmlLabels: false }, flowchart: { htmlLabels: false } });
    (async () => {
      const { svg } = await mermaid.render("m", ${JSON.stringify(source).replaceAll("<", "\\u003c")}).catch((error) => ({ svg: "failed: " + error }));
      const out = document.createElement("pre");
      out.textContent = "@@" + btoa(Array.from(new TextEncoder().encode(svg), (byte) => String.fromCharCode(byte)).join("")) + "@@";
      document.body.append(out);
    })();`;
  writeFileSync(join(folder, "page.html"), `<!doctype html><meta charset="utf-8"><body><script src="${library}"></script><script>${draw}</script>`);
  const page = execFileSync("chromium", [...flags.split(" "), `--user-data-dir=${folder}/${name}`, `file://${folder}/page.html`], {
    stdio: ["ignore", "pipe", "ignore"],
    maxBuffer: 1 << 26,
    timeout: 120_000,
  }).toString();
  const found = Buffer.from(page.match(/@@([\w+/=]+)@@/)?.[1] ?? "", "base64").toString();
  if (!found.startsWith("<svg")) {
    console.error(`${name}: ${found || "nothing came"}`);
    continue;
  }
  const svg = found.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ').replace(/(xmlns="[^"]+" )(.*?)xmlns="[^"]+"/, "$1$2");
  const [, width, height] = svg.match(/viewBox="[^ ]+ [^ ]+ ([^ ]+) ([^"]+)"/);
  const sized = svg.replace('width="100%"', `width="${Math.ceil(width)}" height="${Math.ceil(height)}"`);
  writeFileSync(join(gallery, `${name}.mermaid.svg`), sized.replace(/(<svg [^>]*style=")/, "$1background:white;"));
  drawn += 1;
}
rmSync(folder, { recursive: true, force: true });
console.log(`mermaid: ${drawn} of ${machines.length} drawn`);
process.exit(drawn === machines.length ? 0 : 1);
