// Looks at the pages that `rustdoc.sh` has built: at the text of the machine's page, and at both pages in rustdoc's three themes.
import assert from "node:assert";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

const doc = resolve(process.argv[2]);
const pictures = resolve(process.argv[3]);
const pages = { machine: join(doc, "page/enum.TeamFlow.html"), front: join(doc, "durable_fsm/index.html") };

const page = readFileSync(pages.machine, "utf8");
const picture = page.slice(page.indexOf("<svg"), page.indexOf("</svg>"));
assert(picture.length > 1000, "the page has a picture");
const states = ["Requested", "RoomCreated", "SpaceJoined", "Ready", "Disbanded", "Failed"];
const links = [...picture.matchAll(/<a href="#variant\.(\w+)">/g)].map((found) => found[1]);
assert.deepEqual(links, states, "each state links to its variant");
for (const state of states) {
  assert(page.includes(`id="variant.${state}"`), `there is a variant ${state} to link to`);
}
for (const comment of ["Nothing exists yet.", "All members are invited, one by one.", "The team is there."]) {
  assert(picture.includes(`<title>${comment}</title>`), `${comment} is a tooltip`);
}
assert(picture.includes("&lt;script&gt;alert(1)&lt;/script&gt;"), "markup in a comment is text");
assert(!picture.includes("<script"), "the picture has no script");
assert(!/ on\w+=/.test(picture), "the picture has no handler");
assert(page.includes("State diagram") && page.includes("<code>create_room</code>"), "the edges are listed as well");
console.log(`rustdoc: ${links.length} states link to their variants, without any script`);

const folder = mkdtempSync(join(tmpdir(), "rustdoc-"));
const flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync --allow-file-access-from-files --hide-scrollbars --virtual-time-budget=5000";
let shots = 0;
const chromium = (...more) =>
  execFileSync("chromium", [...flags.split(" "), `--user-data-dir=${join(folder, String(shots++))}`, ...more], {
    stdio: ["ignore", "pipe", "ignore"],
    maxBuffer: 1 << 26,
    timeout: 60_000,
  }).toString();
for (const [name, path] of Object.entries(pages)) {
  for (const theme of ["light", "dark", "ayu"]) {
    // The page's own scripts do no more for the picture than to write the theme here, and a headless Chromium waits for them forever.
    const tell = `<script>addEventListener("load",()=>{const images=[...document.querySelectorAll("main img")];document.body.append(Object.assign(document.createElement("pre"),{textContent:"@@"+document.documentElement.dataset.theme+" "+images.length+" "+images.filter(i=>i.naturalWidth>0).length+"@@"}))})</script>`;
    const copy = join(dirname(path), `${name}.${theme}.html`);
    const page = readFileSync(path, "utf8").replace(/<(script|noscript)\b.*?<\/\1>/gs, "");
    const text = page.replace(/<html[^>]*>/, `<html lang="en" data-theme="${theme}">`);
    assert(text !== page, "the theme is set");
    writeFileSync(copy, text.replace("</head>", `${tell}</head>`));
    const [, found, images, shown] = chromium("--dump-dom", `file://${copy}`).match(/@@(\w+) (\d+) (\d+)@@/);
    assert.equal(found, theme);
    assert.equal(images, shown, `${name}: every picture is shown`);
    assert.equal(images, name === "front" ? "3" : "0", `${name}: the number of pictures`);
    writeFileSync(copy, text);
    const out = join(pictures, `${name}.${theme}.png`);
    chromium("--window-size=1000,2600", `--screenshot=${out}`, `file://${copy}`);
    rmSync(copy);
    console.log(`look at ${out}`);
  }
}
rmSync(folder, { recursive: true, force: true });
