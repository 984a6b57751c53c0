/**
 * @module The style sheet of every page.
 */

/** Of every page: light and dark, whole on a phone. */
export const STYLE = `
:root{color-scheme:light dark;--bg:#fbfbfa;--card:#fff;--text:#1d1f21;--muted:#5f6670;--line:#e3e4e6;--grid:#ececee;
--c1:#2563a8;--c2:#c2571a;--c3:#2f7d4f;--c4:#8a8f98;--c5:#7a4fa3;--c6:#a88a1c;--warn:#9a3412}
@media (prefers-color-scheme:dark){:root{--bg:#16181b;--card:#1e2125;--text:#e6e7e9;--muted:#9aa1ab;--line:#33373d;--grid:#2a2e33;
--c1:#6aa9f0;--c2:#f0965a;--c3:#6cc48f;--c4:#8a9099;--c5:#b894e0;--c6:#dcc060;--warn:#fb923c}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:15px/1.5 system-ui,sans-serif}
main{max-width:72rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.6rem;margin:0 0 .25rem;overflow-wrap:anywhere}h2{font-size:1.05rem;margin:0 0 .75rem}
.lead{color:var(--muted);margin:0 0 1.5rem}
.warn{color:var(--warn);font-weight:600}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;margin-bottom:1.5rem}
.card,section{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:1rem}
.card b{display:block;font-size:1.35rem;font-variant-numeric:tabular-nums}.card span{color:var(--muted);font-size:.85rem}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(30rem,100%),1fr));gap:.75rem;margin-bottom:.75rem}
section{margin-bottom:.75rem;min-width:0}.plots section{margin:0}
.scroll{overflow-x:auto;max-height:32rem}
table{border-collapse:collapse;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--muted);font-weight:500}td.n,th.n{text-align:right}
td.wide{white-space:normal;overflow-wrap:anywhere}.uplot,.u-legend{max-width:100%}.u-legend td,.u-legend th{white-space:normal}
svg.bars{display:block;width:7.5rem;height:1.25rem}svg.bars rect{fill:var(--c1)}
code{font:.85em ui-monospace,monospace}
.heat td{padding:0 .35rem;border:0;text-align:right;font-size:.75rem;background:color-mix(in srgb,var(--c1) calc(var(--s)*70%),transparent)}
.u-legend{color:var(--muted)}.u-legend .u-marker{border-radius:2px}
@media (max-width:40rem){main{padding:1rem .5rem 2rem}.card,section{padding:.6rem}th,td{padding:.25rem .35rem}th{white-space:normal}}
details summary{cursor:pointer;font-weight:600}
`;
