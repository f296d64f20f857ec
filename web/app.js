/**
 * 在微信里领取会员卡的网页。 A web page in WeChat that takes a member card.
 *
 * It signs in silently, shows the card, takes it into WeChat's wallet with wx.addCard and shows it with wx.openCard.
 */
import { cardId, channel } from './config.js'
import { colourOf } from './colours.js'
import { arrive, Failed, login, request, signedIn, worked } from './session.js'
import { lang, text } from './texts.js'
import { addCard, configure, openCard, Refused } from './wallet.js'

/** The card as everybody sees it, and the person's own one, if they have or had one. */
let face
let mine

const at = (id) => document.getElementById(id)

function say(words) {
  at('status').textContent = words
}

/** Shows the one button, or hides it. It does one thing at a time. */
function offer(words, act) {
  const button = at('act')
  button.hidden = !words
  button.textContent = words
  button.disabled = false
  button.onclick = async () => {
    button.disabled = true
    try {
      await act()
    } catch (error) {
      explain(error)
    }
    button.disabled = false
  }
}

const wordsOf = {
  offline: text.offline,
  rate_limited: text.busy,
  unavailable: text.busy,
  wechat_unavailable: text.busy,
  ticket_unavailable: text.busy,
  card_not_found: text.noCard,
  login_code_invalid: text.loginFailed,
  login_state_invalid: text.loginFailed,
}

function explain(error) {
  say(error instanceof Refused ? text.wechatFailed : wordsOf[error.code] || text.failed)
}

/** Reports whether the same request may succeed later. */
const passes = (error) =>
  error instanceof Failed && /^(offline|rate_limited|internal|unavailable|\w+_unavailable)$/.test(error.code)

const isHeld = (card) => card && (card.status === 'active' || card.status === 'claimed')

/**
 * What wx.addCard said about a card that addcard does not know yet. It outlives the page, whose report may not have
 * arrived.
 */
const taken = {
  get: () => JSON.parse(sessionStorage.getItem('addcard.taken') || 'null'),
  keep: (cards) => sessionStorage.setItem('addcard.taken', JSON.stringify(cards)),
  forget: () => sessionStorage.removeItem('addcard.taken'),
}

/** Reports a card that is in the wallet. If it cannot, the next look does; and WeChat reports it too. */
async function report() {
  const cardList = taken.get()
  if (!cardList) return
  try {
    await request('POST', '/v1/claims', { cardList })
  } catch (error) {
    if (passes(error)) throw error
    taken.forget() // it is refused for good
  }
}

let looking

/** Asks addcard for the person's own card, and shows what they can do. There is one look at a time. */
function look() {
  const done = () => (looking = undefined)
  if (!looking) looking = lookNow().finally(done)
  return looking
}

async function lookNow() {
  await report()
  const me = await request('GET', '/v1/me')
  worked()
  mine = me.cards.find((card) => card.card_id === cardId)
  if (isHeld(mine)) taken.forget()
  show()
}

function show() {
  if (isHeld(mine)) {
    showFigures()
    say(mine.status === 'active' ? text.taken : waitingWords())
    offer(text.open, open)
  } else if (taken.get()) {
    say(waitingWords())
    offer('')
  } else if (mine && mine.status === 'deleted') {
    say(text.deleted)
    offer(text.restore, take)
  } else if (face.sold_out) {
    say(text.soldOut)
    offer('')
  } else {
    say('')
    offer(text.take, take)
  }
  lookAgain()
}

const open = () => openCard(cardId, mine.code).catch(() => say(text.notOpened))

/** With these kinds of activation the person fills in a form in the wallet first. */
const waitingWords = () => (face.activation === 'form' || face.activation === 'component' ? text.form : text.waiting)

let timer
let looks = 0

/** Looks again after a while, until the card is active; for some minutes, and not while the page is hidden. */
function lookAgain() {
  clearTimeout(timer)
  const waiting = isHeld(mine) ? mine.status !== 'active' : taken.get()
  if (!waiting || looks > 20 || document.hidden) return
  timer = setTimeout(
    () => {
      looks++
      look().catch((error) => (passes(error) ? lookAgain() : explain(error)))
    },
    Math.min(2000 * 1.3 ** looks, 20000),
  )
}

/** The person comes back, from the form in the wallet for example. */
document.addEventListener('visibilitychange', () => {
  looks = 0
  if (face) lookAgain()
})

async function take() {
  say(text.taking)
  try {
    // Signed at the tap: a signature works once, and not for long.
    const { cardList } = await request('POST', '/v1/card-ext', { cards: [{ card_id: cardId, outer_str: channel }] })
    const added = await addCard(cardList)
    if (!added) return say(text.cancelled)
    taken.keep(added)
  } catch (error) {
    return notTaken(error)
  }
  // The card is theirs, whatever becomes of the report.
  show()
  look().catch(lookAgain)
}

async function notTaken(error) {
  if (error.code === 'card_not_claimable' || /领完/.test(error.message)) face.sold_out = true
  else if (!(error instanceof Refused)) throw error
  // WeChat says 领完 and 已领取 also to a person who has the card.
  await look().catch(show)
  if (isHeld(mine) || face.sold_out) return
  say(/已领取|限制/.test(error.message) ? text.held : text.refused)
}

function showFace() {
  at('brand').textContent = face.brand_name || ''
  at('title').textContent = face.title || text.title
  at('prerogative').textContent = face.prerogative || ''
  at('prerogative').parentElement.hidden = !face.prerogative
  at('terms').textContent = face.description || ''
  at('terms').parentElement.hidden = !face.description
  at('card').style.backgroundColor = colourOf(face.color)
  at('card').hidden = false
  if (face.title) document.title = face.title
}

const points = new Intl.NumberFormat(lang)
const yuan = new Intl.NumberFormat(lang, { style: 'currency', currency: 'CNY' })

function showFigures() {
  const rows = []
  if (face.supply_bonus) rows.push([text.points, points.format(mine.bonus || 0)])
  if (face.supply_balance) rows.push([text.balance, yuan.format((mine.balance || 0) / 100)]) // from fen
  at('figures').replaceChildren(
    ...rows.map(([name, value]) => {
      const row = document.createElement('div')
      row.append(document.createElement('dt'), document.createElement('dd'))
      row.children[0].textContent = name
      row.children[1].textContent = value
      return row
    }),
  )
}

async function main() {
  document.documentElement.lang = lang
  document.title = at('title').textContent = text.title
  at('prerogative-name').textContent = text.prerogative
  at('terms-name').textContent = text.terms
  if (!/MicroMessenger/i.test(navigator.userAgent)) return say(text.openInWeChat)
  if (!cardId) {
    console.warn('no card: set cardId in config.js')
    return say(text.noCard)
  }
  say(text.loading)
  const refused = arrive()
  face = await request('GET', '/v1/cards/' + encodeURIComponent(cardId))
  showFace()
  if (refused) {
    explain(new Failed(refused))
    return offer(text.retry, login)
  }
  if (!signedIn()) return login()
  await configure()
  if (taken.get()) show()
  await look()
}

main().catch((error) => {
  if (face && taken.get() && passes(error)) return show()
  explain(error)
  if (error.code !== 'card_not_found') offer(text.retry, () => location.reload())
})
