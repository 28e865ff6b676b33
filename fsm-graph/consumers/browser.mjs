// Shows every SVG, as a file and inline, to Chromium in both schemes. Asks it where each text ended up: every name inside its box, every text
// inside its picture. Leaves screenshots in the folder named on the command line.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const golden = resolve(here, "../tests/golden");
const pictures = resolve(process.argv[2]);
const folder = mkdtempSync(join(tmpdir(), "browser-"));
const flags =
  "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync --allow-file-access-from-files --hide-scrollbars --virtual-time-budget=20000";
function chromium(...more) {
  const profile = mkdtempSync(join(folder, "profile-"));
  return execFileSync("chromium", [...flags.split(" "), `--user-data-dir=${profile}`, ...more], {
    stdio: ["ignore", "pipe", "ignore"],
    maxBuffer: 1 << 26,
  }).toString();
}

const files = readdirSync(golden);
const svgs = files.filter((name) => name.endsWith(".svg"));
const inline = files.filter((name) => name.endsWith(".inline.html"));
const text = (name) => readFileSync(join(golden, name), "utf8");

// What rustdoc's themes say; the ground, and the three variables that a picture uses.
const themes = {
  light: "background:#fff;--main-color:#000;--code-block-background-color:#f5f5f5",
  dark: "background:#353535;--main-color:#ddd;--code-block-background-color:#2a2a2a",
};

const measure = `
  const wrong = [];
  const inside = (a, b, slack) => a.left >= b.left - slack && a.right <= b.right + slack && a.top >= b.top - slack && a.bottom <= b.bottom + slack;
  let texts = 0;
  for (const part of document.querySelectorAll("[data-name]")) {
    const svg = part.querySelector("svg");
    for (const text of svg.querySelectorAll("text")) {
      texts += 1;
      const named = /-name( |$)/.test(text.getAttribute("class"));
      const room = named ? text.closest("g").querySelector("rect[class*=-box]") : svg;
      if (!inside(text.getBoundingClientRect(), room.getBoundingClientRect(), 0.5)) {
        wrong.push(part.dataset.name + ": " + text.textContent);
      }
    }
  }
  document.body.append(Object.assign(document.createElement("pre"), { textContent: "@@" + btoa(unescape(encodeURIComponent(JSON.stringify({ texts, wrong })))) + "@@" }));`;
const parts = [...svgs, ...inline].map((name) => `<div data-name="${name}">${text(name)}</div>`).join("\n");
writeFileSync(join(folder, "measure.html"), `<!doctype html><meta charset="utf-8"><body style="${themes.light}">${parts}<script>${measure}</script>`);
const dom = chromium("--dump-dom", `file://${folder}/measure.html`);
const { texts, wrong } = JSON.parse(Buffer.from(dom.match(/@@([\w+/=]+)@@/)[1], "base64").toString());
wrong.forEach((what) => console.error(`clipped: ${what}`));

for (const [scheme, flag] of [["light", 1], ["dark", 0]]) {
  const cell = 'style="display:inline-block;vertical-align:top;margin:8px"';
  const image = (name) => `<figure ${cell}><img src="file://${golden}/${name}"><figcaption>${name}</figcaption></figure>`;
  const div = (name) => `<figure ${cell}>${text(name)}<figcaption>${name}</figcaption></figure>`;
  for (const [what, body] of [["files", svgs.map(image)], ["inline", inline.map(div)]]) {
    const page = join(folder, `${what}.html`);
    writeFileSync(page, `<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark"><body style="${what === "inline" ? themes[scheme] : ""};font:11px sans-serif">${body.join("\n")}`);
    const out = join(pictures, `${what}.${scheme}.png`);
    chromium(`--blink-settings=preferredColorScheme=${flag}`, "--window-size=2400,5400", `--screenshot=${out}`, `file://${page}`);
    console.log(`look at ${out}`);
  }
}
rmSync(folder, { recursive: true, force: true });
console.log(`chromium: ${texts} texts in ${svgs.length + inline.length} pictures, ${wrong.length} clipped`);
process.exit(texts > 0 && wrong.length === 0 ? 0 : 1);
