'use strict'

/** @typedef {{ cause: string, detail: string }} Finding */
/** @typedef {{ card_id: string, verifies: boolean, findings: Finding[] | null, values: string[] | null,
 *   signature: string, timestamp: number }} Report */
/** @typedef {{ problem?: string, cards?: Report[] }} Answer */

const $ = (id) => document.getElementById(id)

/** The texts of the page by language. */
const texts = JSON.parse($('texts').textContent)

let lang = /^#(zh|en)$/.test(location.hash)
  ? location.hash.slice(1)
  : /^zh/i.test(navigator.language)
    ? 'zh'
    : 'en'

/** What the program has answered, if it was asked, and whether its ticket is shown. */
let answer = /** @type {Answer | undefined} */ (undefined)
let ticket = ''
let ticketShown = false

/** An example of WeChat's documentation, in which the keys were sorted. */
const example = {
  text: JSON.stringify({
    cardList: [
      {
        cardId: 'pjZ8Yt1XGILfi-FUsewpnnolGgZk',
        cardExt: JSON.stringify({
          code: '1434008071',
          timestamp: 1404896688,
          nonce_str: '123',
          signature: '51deb509ad5b93968c4d5789d0c7f30f4368fd62',
        }),
      },
    ],
  }),
  api_ticket: 'ojZ8YtyVyr30HheH3CM73y7h4jJE',
}

/** Starts the program, which defines the function explain. */
async function start() {
  const compressed = Uint8Array.from(atob($('program').textContent), (c) => c.charCodeAt(0))
  $('program').remove()
  const stream = new Blob([compressed]).stream().pipeThrough(new DecompressionStream('gzip'))
  const go = new Go()
  const bytes = await new Response(stream).arrayBuffer()
  const { instance } = await WebAssembly.instantiate(bytes, go.importObject)
  void go.run(instance) // does not end
}

/** Returns what the form has, as the program takes it. */
function question() {
  const value = (id) => $(id).value.trim()
  // A ticket has no spaces and no quotes: they were copied along with it.
  const tickets = (id) =>
    value(id)
      .split(/["'\s]+/)
      .filter(Boolean)
  const checked = (id) => $(id).checked
  const names = ['code', 'openid', 'nonce_str', 'timestamp', 'card_id']
  return {
    text: value('text'),
    card_id: value('card_id'),
    api_ticket: tickets('api_ticket').join(''),
    jsapi_ticket: tickets('jsapi_ticket').join(''),
    old_tickets: tickets('old_tickets'),
    signed: Object.fromEntries(names.map((name) => [name, value('signed_' + name)])),
    card: checked('card_known')
      ? {
          takes_code: checked('takes_code'),
          needs_openid: checked('needs_openid'),
          fix_term: checked('fix_term'),
        }
      : null,
    now: Math.floor(Date.now() / 1000),
  }
}

/** Returns an element with children; texts in them are never read as HTML. */
function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties)
  made.append(...children)
  return made
}

const text = (key) => texts[lang][key] ?? key

function notice(kind, key) {
  return element('p', { className: `notice ${kind}` }, text(key))
}

/** @param {Finding} finding */
function findingParts({ cause, detail }) {
  const code = element('code', {}, cause)
  const small = element('small', { lang: 'en' }, code, ' ', detail)
  return [
    element('h3', {}, text(`cause.${cause}`)),
    element('p', {}, text(`fix.${cause}`)),
    element('p', {}, small),
  ]
}

/** @param {Report} card */
function valueParts({ values, signature }) {
  if (!values) return []
  const shown = values.map((value) => (value === '***' && ticketShown ? ticket : value))
  const parts = [
    element('h3', {}, text('values')),
    element('ol', {}, ...shown.map((value) => element('li', {}, element('code', {}, value)))),
  ]
  if (!signature) return parts
  return [
    ...parts,
    element('h3', {}, text('joined')),
    element('pre', {}, shown.join('')),
    element('h3', {}, text('signature')),
    element('pre', {}, signature),
  ]
}

/** Returns what is said about a card.
 * @param {Report} card */
function report(card) {
  const findings = card.findings ?? []
  const state = card.verifies ? 'good' : card.signature || !card.values ? 'bad' : ''
  const section = element(
    'section',
    { className: 'card' },
    element('h2', {}, card.card_id || 'cardExt'),
    notice(state, { good: 'verifies', bad: 'wrong', '': 'unverified' }[state]),
    ...findings.flatMap(findingParts),
  )
  if (!findings.length) section.append(element('p', {}, text('nothing')))
  section.append(...valueParts(card))
  if (card.timestamp) {
    const when = new Date(card.timestamp * 1000)
    const time = when.toLocaleString(document.documentElement.lang, {
      dateStyle: 'medium',
      timeStyle: 'long',
    })
    section.append(element('p', {}, text('time').replace('%s', time)))
  }
  return section
}

/** Returns the box that shows the ticket instead of ***. */
function ticketBox() {
  const box = element('input', { type: 'checkbox', id: 'show_ticket', checked: ticketShown })
  box.addEventListener('change', () => {
    ticketShown = box.checked
    showAnswer()
    $('show_ticket').focus()
  })
  return element('label', { className: 'check' }, box, ' ', element('span', {}, text('show_ticket')))
}

function showAnswer() {
  const parts = []
  if (answer?.problem) parts.push(notice('bad', `problem.${answer.problem}`))
  if (answer?.cards?.some(({ signature }) => signature)) parts.push(ticketBox())
  parts.push(...(answer?.cards ?? []).map(report))
  $('results').replaceChildren(...parts)
}

/** Shows the page in a language. */
function speak(to) {
  lang = to
  document.documentElement.lang = lang === 'zh' ? 'zh-CN' : 'en'
  document.title = text('title')
  for (const part of document.querySelectorAll('[data-text]')) part.textContent = text(part.dataset.text)
  for (const button of document.querySelectorAll('[data-lang]'))
    button.setAttribute('aria-pressed', String(button.dataset.lang === lang))
  showAnswer()
}

const started = start()
started.catch(() => $('results').replaceChildren(notice('bad', 'too_old')))

async function check() {
  await started
  const asked = question()
  ticket = asked.api_ticket
  ticketShown = false
  answer = JSON.parse(globalThis.explain(JSON.stringify(asked)))
  showAnswer()
  $('results').firstElementChild.scrollIntoView({ block: 'nearest' })
}

$('form').addEventListener('submit', (event) => {
  event.preventDefault()
  void check()
})
$('example').addEventListener('click', () => {
  for (const [id, value] of Object.entries(example)) $(id).value = value
  void check()
})
$('card_known').addEventListener('change', () => {
  for (const id of ['takes_code', 'needs_openid', 'fix_term']) $(id).disabled = !$('card_known').checked
})
for (const button of document.querySelectorAll('[data-lang]'))
  button.addEventListener('click', () => speak(button.dataset.lang))
speak(lang)
