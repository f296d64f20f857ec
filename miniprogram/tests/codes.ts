/** Codes of members for tests: 1 to 20 digits and letters. The same ones each time. */
export function randomCodes(count: number): string[] {
  let state = 2026
  const random = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const alphabets = ['0123456789', '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', '0123456789abcdefghijkXYZ']
  return Array.from({ length: count }, (_, i) => {
    const alphabet = alphabets[i % alphabets.length]!
    const length = 1 + (i < 20 ? i : random(20))
    return Array.from({ length }, () => alphabet[random(alphabet.length)]).join('')
  })
}
