import { environment } from '../../config'
import { moment, points, signed, yuan } from '../../format'
import type { Entry, Face, MemberCard } from '../../services/api'
import { entries, face, isHeld, myCard } from '../../services/cards'
import { openCard } from '../../services/wechat'
import { fieldName, reason, reference, texts } from '../../texts'

/** Intervals at which a card that is being activated is loaded again: growing, for some minutes in all. */
const activationPoll = { delay: (poll: number) => Math.min(1500 * 1.3 ** poll, 15_000), times: 24 }

const statuses: Partial<Record<MemberCard['status'], string>> = {
  active: texts.statusActive,
  claimed: texts.statusClaimed,
  deleted: texts.statusDeleted,
  unavailable: texts.statusUnavailable,
}

/** 我的会员卡: shows the card, its figures, and its ledger entries. */
Page({
  data: {
    t: texts,
    state: 'loading' as 'loading' | 'ready' | 'none' | 'failed',
    failure: { title: '', detail: '', reference: '', action: '' },
    face: {} as Face,
    held: false,
    deleted: false,
    /** Whether the card is in the wallet but its form in the open-card component was not submitted. */
    needsForm: false,
    status: '',
    number: '',
    figures: [] as Figure[],
    rows: [] as Row[],
    historyState: 'loading' as 'loading' | 'more' | 'all' | 'failed',
    historyFailure: '',
    outcome: '',
  },

  cardId: '',
  code: '',
  cursor: '',
  visible: false,
  polls: 0,
  timer: 0,

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
    this.visible = false
  },

  onUnload() {
    this.visible = false
  },

  async onPullDownRefresh() {
    this.polls = 0
    await this.load()
    void wx.stopPullDownRefresh()
  },

  onReachBottom() {
    if (this.data.historyState === 'more') void this.loadHistory(this.cursor)
  },

  retry() {
    this.setData({ state: 'loading' })
    void this.load()
  },

  /** Loads everything again; the old content stays on the screen meanwhile. */
  async load() {
    if (!this.cardId) {
      this.fail(texts.noCardId, texts.noCardIdHint)
      return
    }
    try {
      const [shown, mine] = await Promise.all([face(this.cardId), myCard(this.cardId)])
      if (!mine || mine.status === 'issued' || mine.status === 'gifted') {
        this.setData({ state: 'none' })
        return
      }
      this.code = mine.code ?? ''
      this.show(shown, mine)
      await this.loadHistory()
      if (mine.status === 'claimed') this.pollAgain()
    } catch (error) {
      // Keep what is on the screen: old figures are better than none.
      if (this.data.state === 'ready') this.setData({ outcome: reason(error) })
      else this.fail(texts.failed, reason(error), reference(error), texts.retry)
    }
  },

  fail(title: string, detail: string, quote = '', action = '') {
    this.setData({ state: 'failed', failure: { title, detail, reference: quote, action } })
  },

  show(shown: Face, mine: MemberCard) {
    const needsForm = mine.status === 'claimed' && shown.take === 'open_card'
    this.setData({
      state: 'ready',
      outcome: '',
      face: shown,
      held: isHeld(mine),
      deleted: mine.status === 'deleted',
      needsForm,
      status: needsForm ? texts.statusForm : (statuses[mine.status] ?? ''),
      number: mine.membership_number ?? mine.code ?? '',
      figures: figuresOf(shown, mine),
    })
  },

  /** The server activates the card in the background, usually within a second. */
  pollAgain() {
    if (this.polls >= activationPoll.times) return
    clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      if (this.visible) void this.load()
    }, activationPoll.delay(this.polls++))
  },

  async loadHistory(cursor = '') {
    if (!this.code) {
      this.setData({ rows: [], historyState: 'all' })
      return
    }
    if (cursor) this.setData({ historyState: 'loading' })
    try {
      const page = await entries(this.cardId, this.code, cursor)
      this.cursor = page.next_cursor ?? ''
      const rows = page.entries.map(rowOf)
      this.setData({
        rows: cursor ? this.data.rows.concat(rows) : rows,
        historyState: this.cursor ? 'more' : 'all',
        historyFailure: '',
      })
    } catch (error) {
      this.setData({ historyState: 'failed', historyFailure: reason(error) })
    }
  },

  retryHistory() {
    void this.loadHistory(this.data.rows.length > 0 ? this.cursor : '')
  },

  async openWallet() {
    const opened = await openCard(this.cardId, this.code)
    this.setData({ outcome: opened.kind === 'failed' ? `${texts.openFailed} · ${opened.reason}` : '' })
  },

  /** Cards are taken on the other page, which is usually the one below in the stack. */
  goTake() {
    if (getCurrentPages().length > 1) void wx.navigateBack()
    else void wx.redirectTo({ url: `/pages/index/index?card_id=${encodeURIComponent(this.cardId)}` })
  },
})

interface Figure {
  name: string
  value: string
}

function figuresOf(shown: Face, mine: MemberCard): Figure[] {
  const figures: Figure[] = []
  if (shown.supply_bonus || mine.bonus !== 0) figures.push({ name: texts.bonus, value: points(mine.bonus) })
  if (shown.supply_balance || mine.balance !== 0)
    figures.push({ name: texts.balance, value: yuan(mine.balance) })
  for (const field of shown.custom_fields ?? []) {
    figures.push({ name: fieldName(field), value: mine.fields?.[field.field] ?? '–' })
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
  add(entry.add_bonus, points(entry.add_bonus), texts.bonusUnit)
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
