/**
 * 微信的 JS-SDK。 WeChat's JS-SDK: wx.config, wx.addCard and wx.openCard as promises.
 */
import { pageAddress, request } from './session.js'

/** Why WeChat did not do what it was asked; message is its errMsg. */
export class Refused extends Error {}

const patience = 10000 // milliseconds

/**
 * wx.config for this page. It signs the address that the browser has now, so it runs at each load of the page.
 * WeChat may call neither wx.ready nor wx.error, and its script may not load at all.
 */
export async function configure() {
  const config = await request('GET', '/v1/jssdk-config?url=' + encodeURIComponent(pageAddress()))
  return new Promise((resolve, reject) => {
    setTimeout(() => reject(new Refused('no answer')), patience)
    if (!window.wx) return reject(new Refused('jweixin did not load'))
    wx.error(({ errMsg }) => reject(new Refused(errMsg)))
    wx.config(Object.assign({ debug: false, jsApiList: ['addCard', 'openCard'] }, config))
    wx.ready(resolve)
  })
}

/**
 * Calls wx.addCard. It returns the cards that are in the wallet in the form that addcard takes, or undefined if the
 * person closed the window.
 */
export function addCard(cardList) {
  return new Promise((resolve, reject) => {
    wx.addCard({
      cardList,
      success: ({ cardList }) => {
        const added = cardList.map(inOneForm).filter((item) => item.isSuccess)
        if (added.length > 0) resolve(added)
        else reject(new Refused('no card was added'))
      },
      cancel: () => resolve(undefined),
      fail: ({ errMsg }) => (/cancel/.test(errMsg) ? resolve(undefined) : reject(new Refused(errMsg))),
    })
  })
}

/** A page without jweixin's conversion has the other names. */
const inOneForm = (item) => ({
  cardId: item.cardId || item.card_id,
  code: item.code,
  isSuccess: item.isSuccess === undefined ? item.is_succ !== false && item.is_succ !== 0 : item.isSuccess,
})

/** Shows a card of the wallet. */
export function openCard(cardId, code) {
  return new Promise((resolve, reject) => {
    const fail = ({ errMsg }) => reject(new Refused(errMsg))
    wx.openCard({ cardList: [{ cardId, code }], fail, complete: resolve })
  })
}
