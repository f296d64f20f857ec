/** Styles of WeChat's built-in elements and of the frame around the pages. */
export const baseStyle = `
* { -webkit-tap-highlight-color: transparent; }
html, body { height: 100%; user-select: none; -webkit-user-select: none; margin: 0; overflow: hidden; font-size: 16px; -webkit-text-size-adjust: none; }
body { display: flex; flex-direction: column; background: var(--bar); font-family: -apple-system, 'PingFang SC', 'Noto Sans CJK SC', sans-serif; }
.holder { position: relative; flex: 1; overflow-y: auto; overflow-x: hidden; background: var(--bar); overscroll-behavior: none; scrollbar-width: none; outline: none; }
.holder[hidden] { display: none; }
wx-page { display: block; }
view { display: block; }
page-meta { display: none; }
image { display: inline-block; width: 320px; height: 240px; background-position: center; background-repeat: no-repeat; overflow: hidden; }
button { position: relative; display: block; margin: 0 auto; padding: 8px 24px; box-sizing: border-box; border: 0; border-radius: 4px; background: #f2f2f2; color: #06ae56; font-family: inherit; font-size: 17px; font-weight: 700; line-height: 1.41; text-align: center; cursor: pointer; appearance: none; }
wx-page button:not([size=mini]) { width: 184px; margin-left: auto; margin-right: auto; }
button[loading]::before { content: ''; width: 1em; height: 1em; margin-right: .5em; border: 2px solid currentColor; border-right-color: transparent; border-radius: 50%; animation: host-turn .8s linear infinite; box-sizing: border-box; }
@keyframes host-turn { to { transform: rotate(360deg); } }
input { box-sizing: border-box; min-width: 0; height: 1.4em; margin: 0; padding: 0; border: 0; outline-offset: 4px; background: none; color: inherit; font: inherit; user-select: text; -webkit-user-select: text; }
.bar { flex: none; display: grid; grid-template-columns: 96px 1fr 96px; align-items: center; height: 48px; background: var(--bar); color: var(--bar-text); }
.bar .bar-back { justify-self: start; width: 44px; height: 44px; margin: 0; border: 0; background: none; color: inherit; padding: 0; }
.bar-back::before { content: ''; display: inline-block; width: 10px; height: 10px; border: solid currentColor; border-width: 0 0 2px 2px; transform: rotate(45deg); }
.bar-back[hidden] { visibility: hidden; display: block; }
.bar-title { text-align: center; font-size: 17px; font-weight: 500; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.bar-capsule { justify-self: end; display: flex; align-items: center; justify-content: space-evenly; width: 86px; height: 31px; margin-right: 8px; border: 1px solid color-mix(in srgb, currentColor 14%, transparent); border-radius: 16px; box-sizing: border-box; background: color-mix(in srgb, var(--bar) 60%, transparent); }
.bar-capsule i { display: block; width: 4px; height: 4px; border-radius: 50%; background: currentColor; box-shadow: -7px 0 0 -.5px currentColor, 7px 0 0 -.5px currentColor; }
.bar-capsule b { width: 1px; height: 18px; background: color-mix(in srgb, currentColor 14%, transparent); }
.bar-capsule u { width: 8px; height: 8px; border: 4px solid transparent; border-radius: 50%; outline: 2px solid currentColor; outline-offset: -3px; background: currentColor; background-clip: content-box; box-sizing: content-box; }
.pull { display: flex; align-items: center; justify-content: center; gap: 6px; height: 0; overflow: hidden; transition: height .2s; }
.pull.open { height: 50px; }
@media (prefers-reduced-motion: reduce) { .pull { transition: none; } }
.pull i { width: 6px; height: 6px; border-radius: 50%; background: #999; animation: host-pulse 1s infinite; }
.pull i:nth-child(2) { animation-delay: .2s; } .pull i:nth-child(3) { animation-delay: .4s; }
@keyframes host-pulse { 50% { opacity: .25; } }
`
