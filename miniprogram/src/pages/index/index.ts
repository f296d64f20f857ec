import { environment, joining } from '../../config'
import { begin, once } from '../../guard'
import { finishActivation, returnedCardId } from '../../services/activation'
import type { Face, MemberCard, OpenCardOutputBody } from '../../services/api'
import {
  claimFromWallet,
  face,
  isClaiming,
  isHeld,
  myCard,
  openCardParameters,
  takeCard,
  type Taken,
} from '../../services/cards'
import { ApiError } from '../../services/http'
import { lastCard, lastFace, lastPhone } from '../../services/memory'
import { canGivePhone, givePhone, type PhoneDetail } from '../../services/phone'
import { messageFor, onlyShown, timelineFor } from '../../services/share'
import { decoded, openComponent } from '../../services/wechat'
import { advice, explained, notGiven, reason, reference, staleSince, takeHints, texts } from '../../texts'

/** What the button does. */
type Action = 'take' | 'component' | 'view' | 'reload' | 'none'

/** How long WeChat may take to answer after its sheet is closed, in milliseconds; longer than a request may take. */
const noAnswer = 15_000

/** 领取会员卡: shows the card and the one action that is possible now. */
Page({
  data: {
    t: texts,
    state: 'loading' as 'loading' | 'ready' | 'failed',
    failure: { title: '', detail: '', reference: '', action: '' },
    /** How old the content is, if the server cannot be reached. */
    stale: '',
    face: {} as Face,
    number: '',
    action: 'take' as Action,
    button: '',
    hint: '',
    /** Whether the card is being taken. */
    busy: false,
    /** Whether what the button needs is being fetched. */
    preparing: false,
    /** Whether the button asks for the phone number before the card is taken. */
    phoneFirst: false,
    /** Whether the page is one of the timeline, where nothing can be done. */
    onlyShown: false,
    /** The outcome of the last tap, shown below the button. */
    outcome: '',
  },

  cardId: '',
  outerStr: '',
  /** Parameters for the open-card component, fetched before the tap because its handler must not wait. */
  component: undefined as OpenCardOutputBody | undefined,
  loads: 0,
  acting: false,
  timer: 0,

  onLoad(query: Record<string, string | undefined>) {
    const scene = fromScene(query.scene)
    this.cardId = query.card_id ?? scene.card_id ?? returnedCardId() ?? environment().cardId
    this.outerStr = decoded(query.outer_str ?? scene.outer_str)
    claimFromWallet(this.cardId, query.encrypt_code)
    this.setData({
      onlyShown: onlyShown(),
      phoneFirst: joining.phone === 'before' && !lastPhone() && canGivePhone(),
    })
    void wx.setNavigationBarTitle({ title: texts.takeTitle })
  },

  /** Called after onLoad, and when the user returns from the component, the wallet or the other page. */
  onShow() {
    clearTimeout(this.timer) // WeChat may call onShow without an onHide before
    void this.activated()
    if (!this.acting) {
      void this.load()
      return
    }
    // The sheet of wx.addCard hides the page, too: take says what came of it, unless WeChat never answers.
    this.timer = setTimeout(() => {
      if (!this.acting) return
      this.acting = false
      this.setData({ busy: false })
      void this.load()
    }, noAnswer)
  },

  onHide() {
    clearTimeout(this.timer)
  },

  onUnload() {
    clearTimeout(this.timer)
  },

  /** Loads everything again; the old content, or the remembered one, stays on the screen meanwhile. */
  async load() {
    if (!this.cardId) {
      console.warn('no card: open the page with ?card_id=, or set cardId in config.ts')
      this.fail(texts.noCardId, texts.noCardIdHint)
      return
    }
    const latest = begin(this)
    const remembered = lastFace(this.cardId)
    if (remembered && this.data.state !== 'ready') this.show(remembered.value)
    // The face needs no session, so it does not wait for the login. If that fails, the tap tries again.
    const looking = this.data.onlyShown
      ? undefined
      : myCard(this.cardId).catch(() => lastCard(this.cardId)?.value)
    try {
      const shown = await face(this.cardId)
      if (!latest()) return
      this.show(shown)
    } catch (error) {
      if (latest()) this.failed(error)
      return
    }
    const mine = await looking
    if (latest()) await this.prepare(mine)
  },

  show(shown: Face) {
    this.setData({ state: 'ready', face: shown, stale: '' })
    this.offer(lastCard(this.cardId)?.value)
  },

  failed(error: unknown) {
    const remembered = lastFace(this.cardId)
    if (error instanceof ApiError && error.final) this.fail(reason(error), advice(error))
    else if (this.data.state === 'ready' && remembered) {
      this.setData({ stale: staleSince(error, remembered.at) })
      if (this.data.preparing) this.offerReload('')
    } else this.fail(texts.failed, reason(error), reference(error), texts.retry)
  },

  fail(title: string, detail: string, quote = '', action = '') {
    this.setData({ state: 'failed', failure: { title, detail, reference: quote, action } })
  },

  /** Decides what the button does. */
  offer(mine?: MemberCard) {
    const action = actionFor(this.data.face, mine)
    this.setData({
      action,
      preparing: action === 'component' && !this.component,
      number: (mine && isHeld(mine) && (mine.membership_number ?? mine.code)) || '',
      button: buttons[action](mine),
      hint: hints[action](this.data.face, mine),
    })
  },

  /** Decides what the button does, and fetches what it needs. */
  async prepare(mine?: MemberCard) {
    if (lastPhone()) this.setData({ phoneFirst: false }) // the login has said so
    this.offer(mine)
    if (mine?.status === 'active') this.setData({ outcome: '' }) // an earlier error no longer applies
    if (this.data.action !== 'component') return
    try {
      this.component ??= await openCardParameters(this.cardId, this.outerStr)
      this.setData({ preparing: false })
    } catch (error) {
      this.offerReload(explained(error))
    }
  },

  offerReload(why: string) {
    this.setData({ action: 'reload', preparing: false, button: texts.retry, hint: why })
  },

  tap() {
    return once(this, () => {
      switch (this.data.action) {
        case 'take':
          return this.take()
        case 'component':
          return this.goToComponent()
        case 'view':
          return this.view(this.cardId)
        case 'reload':
          void this.retry() // not awaited: a stored result of the component may lead to the other page
          return undefined
        case 'none':
          return undefined
      }
    })
  },

  /** Loads the page again, and reports a stored result of the component. */
  retry() {
    if (this.data.state === 'failed') this.setData({ state: 'loading' })
    void this.activated()
    return this.load()
  },

  /** The answer of the button that asks for the phone number first. */
  givePhone({ detail }: { detail: PhoneDetail }) {
    return once(this, async () => {
      this.setData({ busy: true, outcome: '' })
      try {
        const given = await givePhone(detail)
        if (given.kind !== 'given') return this.setData({ outcome: notGiven[given.kind] })
        this.setData({ phoneFirst: false })
        return await this.take()
      } catch (error) {
        return this.setData({ outcome: explained(error) })
      } finally {
        this.setData({ busy: false })
      }
    })
  },

  async take() {
    this.setData({ busy: true, outcome: '' })
    try {
      await this.ended(await takeCard(this.cardId, this.outerStr))
    } catch (error) {
      if (error instanceof ApiError && error.code === 'card_not_claimable') this.soldOut()
      else this.setData({ outcome: explained(error) })
    } finally {
      this.setData({ busy: false })
    }
  },

  async ended(taken: Taken) {
    switch (taken.kind) {
      case 'taken':
        this.setData({ action: 'view', button: texts.view, hint: texts.heldHint })
        // Not busy: the page has waited no longer, and the user may be elsewhere.
        return this.data.busy ? this.view(this.cardId) : undefined
      case 'cancelled':
        return this.setData({ outcome: texts.cancelled })
      case 'unsupported':
        return this.setData({ outcome: texts.unsupported })
      case 'bad_signature':
        return this.setData({ outcome: texts.badSignature })
      case 'held':
      case 'sold_out': {
        // WeChat gives either answer to a user who has the card, and 已领取 also to one who has not.
        const mine = await myCard(this.cardId).catch(() => undefined)
        if (mine && isHeld(mine)) return this.prepare(mine)
        if (taken.kind === 'sold_out') return this.soldOut()
        return this.setData({ outcome: texts.heldElsewhere })
      }
      case 'failed':
        return this.setData({ outcome: texts.takeFailed })
    }
  },

  /** There is nothing to tap until the page is loaded again. */
  soldOut() {
    this.setData({ action: 'none', button: texts.soldOut, hint: texts.soldOutHint })
  },

  async goToComponent() {
    if (!this.component) return
    // Do not await anything before this call.
    const opening = openComponent(this.component)
    this.setData({ outcome: '' })
    const opened = await opening
    if (opened.kind === 'cancelled') this.setData({ outcome: texts.cancelled })
    if (opened.kind === 'unsupported') this.setData({ outcome: texts.unsupported })
    if (opened.kind === 'failed') this.setData({ outcome: texts.takeFailed })
  },

  /** Reports a stored result of the component, if there is one. */
  async activated() {
    try {
      // The result may be of another card than the page: it was stored before this page was opened.
      const card = await finishActivation()
      if (card) await once(this, () => this.view(card.card_id))
    } catch (error) {
      this.setData({ outcome: `${texts.activationLost}\n${explained(error)}` })
    }
  },

  onShareAppMessage(): WechatMiniprogram.Page.ICustomShareContent {
    return messageFor({ ...this.data.face, card_id: this.cardId })
  },

  onShareTimeline(): WechatMiniprogram.Page.ICustomTimelineContent {
    return timelineFor({ ...this.data.face, card_id: this.cardId })
  },

  showCode() {
    return once(this, () =>
      wx.navigateTo({ url: `/pages/code/code?card_id=${encodeURIComponent(this.cardId)}` }),
    )
  },

  view(cardId: string) {
    return wx.navigateTo({ url: `/pages/member/member?card_id=${encodeURIComponent(cardId)}` })
  },
})

function actionFor(shown: Face, mine?: MemberCard): Action {
  if (mine?.status === 'active') return 'view'
  const taken = (mine && isHeld(mine)) || isClaiming(shown.card_id)
  // A code that is only issued is in no wallet, and needs stock like any other. A deleted card needs none.
  if (shown.sold_out && !taken && mine?.status !== 'deleted') return 'none'
  if (shown.take === 'open_card') return 'component'
  return taken ? 'view' : 'take'
}

const buttons: Record<Action, (mine?: MemberCard) => string> = {
  take: (mine) => (mine?.status === 'deleted' ? texts.restore : texts.take),
  component: () => texts.activate,
  view: () => texts.view,
  reload: () => texts.retry,
  none: () => texts.soldOut,
}

const hints: Record<Action, (shown: Face, mine?: MemberCard) => string> = {
  take: (shown, mine) => (mine?.status === 'deleted' ? texts.deletedHint : takeHints[shown.activation]),
  component: () => texts.activateHint,
  view: () => texts.heldHint,
  reload: () => '',
  none: () => texts.soldOutHint,
}

/**
 * Reads the scene of a mini-program code (小程序码): "<card_id>" or
 * "<card_id>,<channel>". A scene has at most 32 characters, a card_id takes 28.
 */
function fromScene(scene = ''): { card_id?: string; outer_str?: string } {
  const [cardId, channel] = decoded(scene).split(',')
  return { card_id: cardId || undefined, outer_str: channel }
}
