/** The page's style. Nothing is fetched from anywhere; light and dark follow the reader's system. */

export const style = `
:root {
  color-scheme: light dark;
  --paper: #fbfbf9; --card: #ffffff; --ink: #1b1d21; --soft: #5d636e; --rule: #e3e4e0;
  --good: #0f7a4d; --bad: #b3261e; --unsure: #8a5a00;
  --holdfast: #0f6fde; --stock: #d9480f; --retries: #9c36b5; --csr: #0b8377; --csr-redis: #c2255c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #121417; --card: #1a1d22; --ink: #eceef1; --soft: #9aa2ae; --rule: #2c3038;
    --good: #4ccb8f; --bad: #ff8a80; --unsure: #f0b429;
    --holdfast: #63a9ff; --stock: #ff8a4c; --retries: #d48cf0; --csr: #43cdb9; --csr-redis: #ff7eb0;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 28px 20px 60px; max-width: 1100px; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
header { margin-bottom: 26px; }
.kicker { color: var(--soft); font-size: 14px; margin: 0 0 10px; }
.badge {
  display: inline-block; padding: 2px 11px; border-radius: 99px; color: var(--card); font-weight: 650;
  font-size: 14px; margin-right: 8px;
}
.holds { background: var(--good); } .broken { background: var(--bad); }
.invalid, .interrupted { background: var(--unsure); }
h1 { font-size: clamp(21px, 3.4vw, 31px); line-height: 1.25; margin: 0 0 10px; font-weight: 680; text-wrap: balance; }
.lead { font-size: 18px; max-width: none; margin: 0 0 10px; color: var(--soft); }
h2 { font-size: 17px; margin: 0 0 2px; }
p { margin: 0 0 10px; max-width: 75ch; }
.note { color: var(--soft); font-size: 14px; }
section { background: var(--card); border: 1px solid var(--rule); border-radius: 12px; padding: 18px 20px; margin: 0 0 16px; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 16px; }
.pair section { margin: 0; min-width: 0; } .pair { margin-bottom: 16px; }
.scroll { overflow-x: auto; margin: 0 -4px; padding: 0 4px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px; }
th { color: var(--soft); font-weight: 500; font-size: 12px; text-align: right; vertical-align: bottom; padding: 3px 5px 6px; }
td { text-align: right; padding: 7px 5px; border-top: 1px solid var(--rule); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; white-space: normal; min-width: 178px; line-height: 1.3; }
th.group { text-align: center; border-bottom: 1px solid var(--rule); }
tr.ours td { font-weight: 650; }
td.fault { color: var(--bad); font-weight: 650; } td.fine { color: var(--good); }
.key { display: inline-flex; align-items: center; gap: 7px; margin-right: 18px; font-size: 14px; }
.key::before { content: ""; width: 14px; height: 4px; border-radius: 2px; background: currentColor; flex: none; }
.key span { color: var(--ink); }
.keys { margin: 6px 0 4px; }
svg { display: block; width: 100%; height: auto; overflow: visible; margin-top: 10px; }
.narrow { display: none; }
.grid { stroke: var(--rule); } .base { stroke: var(--soft); stroke-opacity: .5; }
text { fill: var(--soft); font: 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
text.flag { fill: var(--ink); font-weight: 650; font-size: 11px; }
.event { stroke: var(--ink); stroke-opacity: .35; stroke-dasharray: 3 3; }
.line { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; }
.line.holdfast { stroke-width: 2.6; }
.dot, .bar { fill: currentColor; } .speck { fill: currentColor; fill-opacity: .45; }
.mark { stroke: currentColor; stroke-width: 2; }
.c-holdfast, .line.holdfast, .dot.holdfast, .bar.holdfast, .speck.holdfast, .mark.holdfast { color: var(--holdfast); }
.c-stock, .line.stock, .dot.stock, .bar.stock, .speck.stock, .mark.stock { color: var(--stock); }
.c-retries, .line.retries, .dot.retries, .bar.retries, .speck.retries, .mark.retries { color: var(--retries); }
.c-csr, .line.csr, .dot.csr, .bar.csr, .speck.csr, .mark.csr { color: var(--csr); }
.c-csr-redis, .line.csr-redis, .dot.csr-redis, .bar.csr-redis, .speck.csr-redis, .mark.csr-redis { color: var(--csr-redis); }
ol.events { columns: 2; column-gap: 40px; padding-left: 22px; margin: 10px 0 0; font-size: 14px; color: var(--soft); }
ol.events li { break-inside: avoid; } ol.events b { color: var(--ink); font-weight: 500; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 0; font-size: 14px; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
code, pre { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 8px 0 0; }
details { margin-top: 10px; font-size: 14px; } summary { cursor: pointer; color: var(--soft); }
ul.objections { margin: 8px 0 0; padding-left: 20px; color: var(--unsure); }
@media (max-width: 760px) {
  body { padding: 18px 12px 40px; } section { padding: 14px; }
  .pair { grid-template-columns: 1fr; } .wide { display: none; } .narrow { display: block; }
  ol.events { columns: 1; }
  dl { grid-template-columns: 1fr; } dd { margin-bottom: 6px; }
}
@media print { body { max-width: none; } section { break-inside: avoid; } }
`;
