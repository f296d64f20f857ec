import { environment } from '../../config'
import { moment, points, signed, yuan } from '../../format'
import { begin, once } from '../../guard'
import type { EntriesOutputBody, Entry, Face, MemberCard } from '../../services/api'
import { entries, face, isClaiming, isHeld, myCard } from '../../services/cards'
import { ApiError } from '../../services/http'
import { lastCard, lastFace } from '../../services/memory'
import { messageFor } from '../../services/share'
import { copy, openCard } from '../../services/wechat'
import {
  advice,
  explained,
  fieldName,
  notOpened,
  reason,
  reference,
  staleSince,
  statusOf,
  texts,
} from '../../texts'

/** Intervals in milliseconds at which a card that is not final yet is loaded again: growing, for some minutes in all. */
const polling = { delay: (poll: number) => Math.min(1500 * 1.3 ** poll, 15_000), times: 24 }

/** 我的会员卡: shows the card, its figures, and its ledger entries. */
Page({
  data: {
    t: texts,
    state: 'loading' as 'loading' | 'ready' | 'none' | 'failed',
    failure: { title: '', detail: '', reference: '', action: '' },
    face: {} as Face,
    held: false,
    deleted: false,
    /** Whether the card was just taken and the server has not confirmed it. */
    claiming: false,
    /** Whether the card is in the wallet but its form in the open-card component was not submitted. */
    needsForm: false,
    /** Whether the card is in the wallet and waits for the form there. */
    formInWallet: false,
    status: '',
    number: '',
    figures: [] as Figure[],
    rows: [] as Row[],
    historyState: 'loading' as 'loading' | 'more' | 'all' | 'failed',
    historyFailure: '',
    historyReference: '',
    /** How old the content is, if the server cannot be reached. */
    stale: '',
    outcome: '',
  },

  cardId: '',
  code: '',
  cursor: '',
  visible: false,
  polls: 0,
  timer: 0,
  loads: 0,
  acting: false,

  onLoad(query: Record<string, string | undefined>) {
    this.cardId = query.card_id ?? environment().cardId
    void wx.setNavigationBarTitle({ title: texts.memberTitle })
  },

  onShow() {
    this.visible = true
    this.polls = 0
    void this.load()
  },

  onHide() {
    this.leave()
  },

  onUnload() {
    this.leave()
  },

  leave() {
    this.visible = false
    clearTimeout(this.timer)
  },

  async onPullDownRefresh() {
    this.polls = 0
    await this.load()
    void wx.stopPullDownRefresh()
  },

  onReachBottom() {
    if (this.data.historyState === 'more') void this.loadMore()
  },

  retry() {
    this.setData({ state: 'loading' })
    void this.load()
  },

  /** Loads everything again; the old content, or the remembered one, stays on the screen meanwhile. */
  async load() {
    if (!this.cardId) {
      console.warn('no card: open the page with ?card_id=, or set cardId in config.ts')
      this.fail(texts.noCardId, texts.noCardIdHint)
      return
    }
    const latest = begin(this)
    if (this.data.state !== 'ready') this.recall()
    try {
      const [shown, mine] = await Promise.all([face(this.cardId), myCard(this.cardId)])
      if (!latest()) return
      if (!mine || mine.status === 'issued' || mine.status === 'gifted') {
        this.setData({ state: 'none' })
        return
      }
      this.setData({ stale: '', outcome: '' })
      this.show(shown, mine)
      if (mine.status === 'claimed') this.pollAgain()
    } catch (error) {
      if (latest()) this.failed(error)
      return
    }
    await this.loadHistory(latest)
  },

  /** Shows what is remembered until the server answers. */
  recall() {
    const shown = lastFace(this.cardId)?.value
    const mine = lastCard(this.cardId)?.value
    if (!shown) return
    if (isClaiming(this.cardId) && !(mine && isHeld(mine))) this.showClaiming(shown)
    else if (mine && statusOf(mine, shown)) this.show(shown, mine)
  },

  /** Keeps what is on the screen, because old figures are better than none, and tries again. */
  failed(error: unknown) {
    if (error instanceof ApiError && error.final) return this.fail(reason(error), advice(error))
    if (this.data.state !== 'ready')
      return this.fail(texts.failed, reason(error), reference(error), texts.retry)
    const seen = lastCard(this.cardId)?.at
    // That a card is being confirmed is said already, and the user can do nothing about it.
    if (!this.data.claiming)
      this.setData(seen ? { stale: staleSince(error, seen) } : { outcome: explained(error) })
    if (this.data.historyState === 'loading') this.historyFailed(error)
    this.pollAgain(error instanceof ApiError ? error.retryAfter : 0)
  },

  fail(title: string, detail: string, quote = '', action = '') {
    this.setData({ state: 'failed', failure: { title, detail, reference: quote, action } })
  },

  show(shown: Face, mine: MemberCard) {
    const waits = mine.status === 'claimed'
    this.code = mine.code ?? ''
    this.setData({
      state: 'ready',
      face: shown,
      held: isHeld(mine),
      deleted: mine.status === 'deleted',
      claiming: false,
      needsForm: waits && shown.activation === 'component',
      formInWallet: waits && shown.activation === 'form',
      status: statusOf(mine, shown),
      number: mine.membership_number ?? mine.code ?? '',
      figures: figuresOf(shown, mine),
    })
  },

  /** The card was just taken: it is in the wallet, and its number is not known yet. */
  showClaiming(shown: Face) {
    this.setData({
      state: 'ready',
      face: shown,
      claiming: true,
      status: texts.statusClaimed,
      stale: texts.confirming,
    })
  },

  /** Loads again after a while, but not before the seconds that the server asked for, and not under another page. */
  pollAgain(retryAfter = 0) {
    if (!this.visible || this.polls >= polling.times) return
    clearTimeout(this.timer)
    const delay = Math.max(polling.delay(this.polls++), retryAfter * 1000)
    this.timer = setTimeout(() => void this.load(), delay)
  },

  /** Loads the newest entries. Rows that are on the screen stay; newer ones come before them. */
  async loadHistory(latest: () => boolean) {
    try {
      const page = await this.page('')
      if (!latest()) return
      const { rows } = this.data
      const fresh = page.entries.map(rowOf)
      const known = fresh.findIndex((row) => row.id === rows[0]?.id)
      if (known > 0) this.setData({ rows: [...fresh.slice(0, known), ...rows] })
      if (known < 0) {
        this.cursor = page.next_cursor ?? ''
        this.setData({ rows: fresh })
      }
      this.setData({ historyState: this.cursor ? 'more' : 'all' })
    } catch (error) {
      if (latest()) this.historyFailed(error)
    }
  },

  /** Loads the entries before the oldest row. */
  async loadMore() {
    const { cursor } = this
    this.setData({ historyState: 'loading' })
    try {
      const page = await this.page(cursor)
      if (cursor !== this.cursor) return // another answer came first
      const rows = this.data.rows.length
      this.cursor = page.next_cursor ?? ''
      this.setData({
        ...Object.fromEntries(page.entries.map((entry, i) => [`rows[${rows + i}]`, rowOf(entry)])),
        historyState: this.cursor ? 'more' : 'all',
      })
    } catch (error) {
      if (cursor === this.cursor) this.historyFailed(error)
    }
  },

  page(cursor: string): Promise<EntriesOutputBody> {
    return this.code ? entries(this.cardId, this.code, cursor) : Promise.resolve({ entries: [] })
  },

  historyFailed(error: unknown) {
    this.setData({
      historyState: 'failed',
      historyFailure: reason(error),
      historyReference: reference(error),
    })
  },

  async retryHistory() {
    this.setData({ historyState: 'loading' })
    await this.load()
    this.onReachBottom()
  },

  showCode() {
    return once(this, () =>
      wx.navigateTo({ url: `/pages/code/code?card_id=${encodeURIComponent(this.cardId)}` }),
    )
  },

  openWallet() {
    return once(this, async () => {
      const opened = await openCard(this.cardId, this.code)
      this.setData({ outcome: notOpened[opened.kind] })
    })
  },

  onShareAppMessage(): WechatMiniprogram.Page.ICustomShareContent {
    return messageFor({ ...this.data.face, card_id: this.cardId })
  },

  /**
   * Copies the link of a figure. A mini-program can show pages of its own business
   * domains only (业务域名, in a web-view), so it does not open the merchant's link.
   */
  async follow(event: WechatMiniprogram.TouchEvent<object, object, { url?: string }>) {
    const { url } = event.currentTarget.dataset
    if (!url) return
    const copied = await copy(url)
    this.setData({ outcome: copied ? '' : texts.copyFailed })
    if (copied) void wx.showToast({ title: texts.linkCopied, icon: 'none' })
  },

  /** Cards are taken on the other page, which is often the one below in the stack, but may be that of another card. */
  goTake() {
    const pages = getCurrentPages()
    const below = pages[pages.length - 2]
    return once(this, () =>
      below?.route === 'pages/index/index' && below.cardId === this.cardId
        ? wx.navigateBack()
        : wx.redirectTo({ url: `/pages/index/index?card_id=${encodeURIComponent(this.cardId)}` }),
    )
  },
})

interface Figure {
  name: string
  value: string
  /** Where it leads; empty for most. */
  url: string
}

function figuresOf(shown: Face, mine: MemberCard): Figure[] {
  const figures: Figure[] = []
  if (shown.supply_bonus || mine.bonus !== 0)
    figures.push({ name: texts.bonus, value: points(mine.bonus), url: '' })
  if (shown.supply_balance || mine.balance !== 0)
    figures.push({ name: texts.balance, value: yuan(mine.balance), url: '' })
  for (const field of shown.custom_fields ?? []) {
    figures.push({
      name: fieldName(field),
      value: mine.fields?.[field.field] ?? '–',
      url: field.url ?? '',
    })
  }
  return figures
}

interface Row {
  id: string
  title: string
  time: string
  /** For example "+30 积分". An entry can change points and balance. */
  changes: { text: string; more: boolean; label: string }[]
}

function rowOf(entry: Entry): Row {
  const changes: Row['changes'] = []
  const add = (amount: number, text: string, unit: string) => {
    if (amount === 0) return
    changes.push({
      text: `${signed(amount, text)} ${unit}`,
      more: amount > 0,
      label: `${signed(amount, text)} ${unit}`,
    })
  }
  const one = Math.abs(entry.add_bonus) === 1
  add(entry.add_bonus, points(entry.add_bonus), one ? texts.bonusUnitOne : texts.bonusUnit)
  add(entry.add_balance, yuan(entry.add_balance), texts.balanceUnit)
  return {
    id: entry.id,
    title:
      entry.record_bonus ||
      entry.record_balance ||
      (entry.add_bonus ? texts.bonusChanged : texts.balanceChanged),
    time: moment(entry.created_at),
    changes,
  }
}
