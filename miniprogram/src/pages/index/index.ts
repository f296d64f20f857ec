import { environment } from '../../config'
import { finishActivation, returnedCardId } from '../../services/activation'
import type { Face, MemberCard, OpenCardOutputBody } from '../../services/api'
import {
  claimFromWallet,
  face,
  isHeld,
  myCard,
  openCardParameters,
  takeCard,
  type Taken,
} from '../../services/cards'
import { decoded, openComponent } from '../../services/wechat'
import { reason, reference, texts } from '../../texts'

/** What the button does. */
type Action = 'take' | 'component' | 'view' | 'reload'

/** 领取会员卡: shows the card and the one action that is possible now. */
Page({
  data: {
    t: texts,
    state: 'loading' as 'loading' | 'ready' | 'failed',
    failure: { title: '', detail: '', reference: '', action: '' },
    face: {} as Face,
    number: '',
    action: 'take' as Action,
    button: '',
    hint: '',
    busy: false,
    /** The outcome of the last tap, shown below the button. */
    outcome: '',
  },

  cardId: '',
  outerStr: '',
  /** Parameters for the open-card component, fetched before the tap because its handler must not wait. */
  component: undefined as OpenCardOutputBody | undefined,

  onLoad(query: Record<string, string | undefined>) {
    const scene = fromScene(query.scene)
    this.cardId = query.card_id ?? scene.card_id ?? returnedCardId() ?? environment().cardId
    this.outerStr = decoded(query.outer_str ?? scene.outer_str)
    claimFromWallet(this.cardId, query.encrypt_code)
    void wx.setNavigationBarTitle({ title: texts.takeTitle })
    void this.load()
  },

  /** Called after onLoad, and when the user returns from the component, the wallet or the other page. */
  onShow() {
    void this.activated()
    if (this.data.state === 'ready') void this.refresh()
  },

  async load() {
    if (!this.cardId) {
      this.fail(texts.noCardId, texts.noCardIdHint)
      return
    }
    this.setData({ state: 'loading', outcome: '' })
    try {
      // The face needs no session. If the login fails, it is shown all the same, and the tap tries again.
      const [shown, mine] = await Promise.all([face(this.cardId), myCard(this.cardId).catch(() => undefined)])
      await this.prepare(shown, mine)
      this.setData({ state: 'ready', face: shown })
    } catch (error) {
      this.fail(texts.failed, reason(error), reference(error), texts.retry)
    }
  },

  fail(title: string, detail: string, quote = '', action = '') {
    this.setData({ state: 'failed', failure: { title, detail, reference: quote, action } })
  },

  async refresh() {
    const mine = await myCard(this.cardId).catch(() => undefined)
    if (!mine) return
    await this.prepare(this.data.face, mine)
    // An earlier error no longer applies.
    if (mine.status === 'active') this.setData({ outcome: '' })
  },

  /** Decides what the button does, and fetches what it needs. */
  async prepare(shown: Face, mine?: MemberCard) {
    const action = actionFor(shown, mine)
    this.setData({ action, number: (mine && isHeld(mine) && (mine.membership_number ?? mine.code)) || '' })
    if (action !== 'component') {
      this.setData({ button: buttons[action](mine), hint: hints[action](mine) })
      return
    }
    try {
      this.component ??= await openCardParameters(this.cardId, this.outerStr)
      this.setData({ button: texts.activate, hint: texts.activateHint })
    } catch (error) {
      this.setData({ action: 'reload', button: texts.retry, hint: reason(error) })
    }
  },

  tap() {
    switch (this.data.action) {
      case 'take':
        return this.take()
      case 'component':
        return this.goToComponent()
      case 'view':
        return this.view()
      case 'reload':
        return this.retry()
    }
  },

  /** Loads the page again, and reports a stored result of the component. */
  retry() {
    void this.activated()
    return this.load()
  },

  async take() {
    if (this.data.busy) return
    this.setData({ busy: true, outcome: '' })
    try {
      await this.ended(await takeCard(this.cardId, this.outerStr))
    } catch (error) {
      this.setData({ outcome: [reason(error), reference(error)].filter(Boolean).join(' ') })
    } finally {
      this.setData({ busy: false })
    }
  },

  async ended(taken: Taken) {
    switch (taken.kind) {
      case 'taken':
        return this.view()
      case 'cancelled':
        return this.setData({ outcome: texts.cancelled })
      case 'bad_signature':
        return this.setData({ outcome: texts.badSignature })
      case 'held':
      case 'sold_out': {
        // WeChat gives either answer to a user who has the card, and 已领取 also to one who has not.
        const mine = await myCard(this.cardId).catch(() => undefined)
        if (mine && isHeld(mine)) return this.prepare(this.data.face, mine)
        return this.setData({ outcome: taken.kind === 'held' ? texts.heldElsewhere : texts.soldOut })
      }
      case 'failed':
        return this.setData({ outcome: [texts.takeFailed, taken.reason].filter(Boolean).join(' · ') })
    }
  },

  goToComponent() {
    if (!this.component) return
    // Do not await anything before this call.
    const opening = openComponent(this.component)
    this.setData({ outcome: '' })
    void opening.then((opened) => {
      if (opened.kind === 'cancelled') this.setData({ outcome: texts.cancelled })
      if (opened.kind === 'failed') this.setData({ outcome: `${texts.takeFailed} · ${opened.reason}` })
    })
  },

  /** Reports a stored result of the component, if there is one. */
  async activated() {
    try {
      if (await finishActivation()) await this.view()
    } catch (error) {
      this.setData({ outcome: `${texts.activationLost} · ${reason(error)}` })
    }
  },

  view() {
    return wx.navigateTo({ url: `/pages/member/member?card_id=${encodeURIComponent(this.cardId)}` })
  },
})

function actionFor(shown: Face, mine?: MemberCard): Action {
  if (mine?.status === 'active') return 'view'
  if (shown.take === 'open_card') return 'component'
  return mine && isHeld(mine) ? 'view' : 'take'
}

const buttons: Record<Exclude<Action, 'component'>, (mine?: MemberCard) => string> = {
  take: (mine) => (mine?.status === 'deleted' ? texts.restore : texts.take),
  view: () => texts.view,
  reload: () => texts.retry,
}

const hints: Record<Exclude<Action, 'component'>, (mine?: MemberCard) => string> = {
  take: (mine) => (mine?.status === 'deleted' ? texts.deletedHint : texts.free),
  view: () => texts.heldHint,
  reload: () => '',
}

/**
 * Reads the scene of a mini-program code (小程序码): "<card_id>" or
 * "<card_id>,<channel>". A scene has at most 32 characters, a card_id takes 28.
 */
function fromScene(scene = ''): { card_id?: string; outer_str?: string } {
  const [cardId, channel] = decoded(scene).split(',')
  return { card_id: cardId || undefined, outer_str: channel }
}
