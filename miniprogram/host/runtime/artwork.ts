/**
 * Pictures of cards are on WeChat's servers. The host makes no requests to other
 * machines, so it replaces such a picture by a drawn one: the demo card's logo is on qpic, its background on qlogo.
 */
export function artwork(src: string): string {
  const host = /^https?:\/\/mmbiz\.(qpic|qlogo)\./.exec(src)?.[1]
  if (!host) return src
  return `data:image/svg+xml,${encodeURIComponent(host === 'qpic' ? logo : background)}`
}

const logo = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 88 88"><rect width="88" height="88" fill="#fff8ec"/>
<path d="M24 36h34v14a17 17 0 0 1-34 0z" fill="#8a5a34"/><path d="M58 40h5a7 7 0 0 1 0 14h-6" fill="none" stroke="#8a5a34" stroke-width="5"/>
<path d="M33 29c-3-4 3-6 0-10m8 10c-3-4 3-6 0-10m8 10c-3-4 3-6 0-10" fill="none" stroke="#c9986b" stroke-width="3" stroke-linecap="round"/></svg>`

const background = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 686 392" preserveAspectRatio="xMidYMid slice">
<defs><linearGradient id="g" x1="0" y1="0" x2="1" y2="1"><stop offset="0" stop-color="#2f6b4f"/><stop offset="1" stop-color="#0f3b34"/></linearGradient></defs>
<rect width="686" height="392" fill="url(#g)"/><circle cx="600" cy="70" r="190" fill="#d9a566" opacity=".32"/><circle cx="660" cy="150" r="190" fill="#f0d3a4" opacity=".2"/>
<path d="M0 330C150 250 290 400 430 320S620 250 686 290V392H0z" fill="#0b2b27" opacity=".55"/><path d="M0 360C170 290 300 410 470 350S640 310 686 330V392H0z" fill="#d9a566" opacity=".22"/></svg>`
