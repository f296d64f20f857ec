/**
 * 在微信里领取会员卡的网页。 A web page in WeChat that takes a member card.
 *
 * It signs in silently, shows the card, takes it into WeChat's wallet with wx.addCard and shows it with wx.openCard.
 */
import { cardId, channel } from './config.js'
import { arrive, login, pageAddress, request, signedIn, worked } from './session.js'
import { lang, text } from './texts.js'

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
  card_not_claimable: text.soldOut,
  login_code_invalid: text.loginFailed,
  login_state_invalid: text.loginFailed,
}

function explain(error) {
  say(wordsOf[error.code] || text.failed)
}

/** wx.config for this page. It signs the address that the browser has now, so it runs at each load of the page. */
async function configure() {
  const config = await request('GET', '/v1/jssdk-config?url=' + encodeURIComponent(pageAddress()))
  return new Promise((resolve, reject) => {
    wx.error(reject)
    wx.config(Object.assign({ debug: false, jsApiList: ['addCard', 'openCard'] }, config))
    wx.ready(resolve)
  })
}

/** Calls wx.addCard. It returns undefined if the person closed the window. */
function addCard(cardList) {
  return new Promise((resolve, reject) => {
    wx.addCard({
      cardList,
      success: ({ cardList }) => resolve(cardList),
      cancel: () => resolve(undefined),
      fail: ({ errMsg }) => (/cancel/.test(errMsg) ? resolve(undefined) : reject(new Error(errMsg))),
    })
  })
}

/** What wx.addCard gives, in the one form that addcard takes: a page without jweixin's conversion has the other names. */
const claimed = (list) =>
  list.map((item) => ({
    cardId: item.cardId || item.card_id,
    code: item.code,
    isSuccess: item.isSuccess === undefined ? item.is_succ !== false && item.is_succ !== 0 : item.isSuccess,
  }))

/**
 * Reports cards that are in the wallet. A report that did not arrive is kept for the next load. It is not the person's
 * concern: the card is theirs, and WeChat reports it too.
 */
async function claim(cardList) {
  sessionStorage.setItem('addcard.claim', JSON.stringify(cardList))
  try {
    await request('POST', '/v1/claims', { cardList })
  } catch (error) {
    if (/offline|unavailable|rate_limited/.test(error.code)) return
  }
  sessionStorage.removeItem('addcard.claim')
}

async function take() {
  say(text.taking)
  // Signed at the tap: a signature works once, and not for long.
  const { cardList } = await request('POST', '/v1/card-ext', { cards: [{ card_id: cardId, outer_str: channel }] })
  let added
  try {
    added = await addCard(cardList)
  } catch (error) {
    return say(/已领取|限制/.test(error.message) ? text.held : /领完/.test(error.message) ? text.soldOut : text.refused)
  }
  if (!added) return say(text.canceled)
  const list = claimed(added)
  if (!list.some((item) => item.isSuccess)) return say(text.refused)
  await claim(list)
  await showMine(true)
}

function open(card) {
  return new Promise((resolve) => {
    const fail = () => say(text.wechatFailed)
    wx.openCard({ cardList: [{ cardId: card.card_id, code: card.code }], fail, complete: resolve })
  })
}

function showFace(face) {
  at('brand').textContent = face.brand_name || ''
  at('title').textContent = face.title || text.title
  at('prerogative').textContent = face.prerogative || ''
  at('terms').textContent = face.description || ''
  at('card').hidden = at('more').hidden = false
  if (face.title) document.title = face.title
}

function showFigures(face, card) {
  const rows = []
  if (face.supply_bonus) rows.push([text.points, card.bonus || 0])
  if (face.supply_balance) rows.push([text.balance, '¥' + ((card.balance || 0) / 100).toFixed(2)])
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

let face
let looks = 0

/** Looks again after a while, for some minutes, and not while the page is hidden. */
function lookAgain() {
  if (looks > 20) return
  setTimeout(
    () => {
      if (document.hidden) return lookAgain()
      looks++
      showMine(true).catch(explain)
    },
    Math.min(2000 * 1.3 ** looks, 20000),
  )
}

const waitingFor = () => (face.activation === 'form' || face.activation === 'component' ? text.form : text.waiting)

/** Shows the person's own card, or offers to take one. taken says that it is in the wallet, whatever addcard knows. */
async function showMine(taken) {
  const me = await request('GET', '/v1/me')
  worked()
  const card = me.cards.find((c) => c.card_id === cardId && (c.status === 'active' || c.status === 'claimed'))
  if (card) {
    showFigures(face, card)
    say(card.status === 'active' ? text.taken : waitingFor())
    offer(text.open, () => open(card))
  } else if (taken) {
    say(waitingFor())
    offer('')
  } else if (face.sold_out) {
    say(text.soldOut)
  } else {
    say('')
    offer(text.take, take)
  }
  if (card ? card.status !== 'active' : taken) lookAgain()
}

async function main() {
  document.documentElement.lang = lang
  document.title = at('title').textContent = text.title
  at('prerogative-name').textContent = text.prerogative
  at('terms-name').textContent = text.terms
  if (!/MicroMessenger/i.test(navigator.userAgent)) return say(text.openInWeChat)
  if (!cardId) return say(text.noCard)
  const refused = arrive()
  face = await request('GET', '/v1/cards/' + encodeURIComponent(cardId))
  showFace(face)
  if (refused) {
    explain({ code: refused })
    return offer(text.retry, login)
  }
  if (!signedIn()) return login()
  try {
    await configure()
  } catch (error) {
    if (!error.errMsg) throw error
    say(text.wechatFailed)
    return offer(text.retry, () => location.reload())
  }
  const left = sessionStorage.getItem('addcard.claim') // the report of a card that was taken, and did not arrive
  if (left) await claim(JSON.parse(left))
  await showMine()
}

main().catch((error) => {
  explain(error)
  offer(text.retry, () => location.reload())
})
