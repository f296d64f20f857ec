/** Guards of pages against answers that come late and taps that come twice. */

/** Begins a load of the page. The returned function reports whether no later load has begun: drop the answer if not. */
export function begin(page: { loads: number }): () => boolean {
  const load = ++page.loads
  return () => load === page.loads
}

/** Runs act, unless the page is still busy with an earlier one: the second of two taps does nothing. */
export async function once(page: { acting: boolean }, act: () => unknown): Promise<void> {
  if (page.acting) return
  page.acting = true
  try {
    await act()
  } finally {
    page.acting = false
  }
}
