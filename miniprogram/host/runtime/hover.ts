/** Gives an element its hover-class while it is pressed, as WeChat does. */
export function showPresses(): void {
  let release = () => {}
  document.addEventListener('pointerdown', (event) => {
    const element = (event.target as Element).closest('[hover-class]')
    if (!element) return
    // The classes of a component have a prefix.
    const scope = /^\S+--/.exec(element.className)?.[0] ?? ''
    const name = scope + element.getAttribute('hover-class')!
    element.classList.add(name)
    release = () => element.classList.remove(name)
  })
  for (const end of ['pointerup', 'pointercancel']) document.addEventListener(end, () => release())
}
