/**
 * Collects what must not happen on a page.
 * @param {import('playwright-core').Page} page
 * @param {string} console the address of the console
 */
export async function watch(page, address) {
  const errors = []
  const expected = []
  const report = (text) => void (expected.some((pattern) => pattern.test(text)) || errors.push(text))
  const dialogs = []
  const answer = { yes: true }
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      console.error(`the policy refuses ${event.violatedDirective} ${event.blockedURI} ${event.sample}`)
    })
  })
  page.on('pageerror', (error) => errors.push(`script: ${error}`))
  page.on('console', (message) => {
    // The status of an answer is looked at below, where it is known what was asked for.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      errors.push(`console: ${message.text()}`)
  })
  page.on('request', (request) => {
    const url = request.url()
    if (!url.startsWith('data:') && url !== address && !url.startsWith(`${address}/`))
      errors.push(`a request outside of the console: ${request.method()} ${url}`)
  })
  page.on('requestfailed', (request) => {
    const why = request.failure()?.errorText
    if (why !== 'net::ERR_ABORTED') report(`${why}: ${request.method()} ${request.url()}`) // by another page
  })
  page.on('response', (response) => {
    // A page may say what was wrong with a form, or that a role does not suffice.
    if (response.status() >= (response.request().isNavigationRequest() ? 500 : 400))
      report(`${response.status()}: ${response.request().method()} ${response.url()}`)
  })
  page.on('dialog', async (dialog) => {
    dialogs.push(dialog.message())
    if (dialog.type() !== 'confirm') errors.push(`a dialog: ${dialog.type()} ${dialog.message()}`)
    await (answer.yes ? dialog.accept() : dialog.dismiss())
  })
  return { errors, expected, dialogs, answer }
}
