import { memberCode, type MemberCode } from '../../barcode/member-code'
import { environment } from '../../config'
import { clock, moment, points, yuan } from '../../format'
import { begin, once } from '../../guard'
import type { Face, MemberCard } from '../../services/api'
import { face, isClaiming, isHeld, myCard } from '../../services/cards'
import { ApiError } from '../../services/http'
import { lastCard, lastFace } from '../../services/memory'
import { brighten, dim } from '../../services/screen'
import { copy, openCard } from '../../services/wechat'
import { advice, notOpened, reason, reference, staleSince, statusOf, texts } from '../../texts'

/** How often the card is loaded again while it is shown, in milliseconds; less often after failures. */
const refresh = { every: 15_000, atMost: 120_000 }

/** The space on both sides of the code, in px: the padding of .screen. */
const margins = 32

/** 会员码: shows the member's code to the till. */
Page({
  data: {
    t: texts,
    state: 'loading' as 'loading' | 'ready' | 'none',
    /** Shown if there is no code. */
    none: { kind: '', title: '', detail: '', reference: '', action: '' },
    title: '',
    status: '',
    drawn: { characters: '' } as MemberCode,
    code: '',
    number: '',
    figures: [] as { name: string; value: string }[],
    /** How old the page is, and why. */
    age: '',
    outcome: '',
  },

  cardId: '',
  codeType: undefined as string | undefined,
  /** When the server last said what is shown, in milliseconds since 1970. */
  at: 0,
  visible: false,
  loads: 0,
  acting: false,
  wait: refresh.every,
  timer: 0,

  onLoad(query: Record<string, string | undefined>) {
    this.cardId = query.card_id ?? environment().cardId
    void wx.setNavigationBarTitle({ title: texts.codeTitle })
    // The till does not wait for the network.
    const [shown, mine] = [lastFace(this.cardId), lastCard(this.cardId)]
    if (!shown || !mine || !isHeld(mine.value)) return
    this.at = mine.at
    this.show(shown.value, mine.value)
    this.setData({ age: `${texts.updated} ${moment(this.at)}` })
  },

  onShow() {
    this.visible = true
    void brighten()
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
    void dim()
  },

  retry() {
    this.setData({ state: 'loading' })
    void this.load()
  },

  async load() {
    clearTimeout(this.timer)
    if (!this.cardId) {
      console.warn('no card: open the page with ?card_id=, or set cardId in config.ts')
      this.showNone({ kind: 'failed', title: texts.noCardId, detail: texts.noCardIdHint })
      return
    }
    const current = begin(this)
    try {
      const [shown, mine] = await Promise.all([face(this.cardId), myCard(this.cardId)])
      if (!current()) return
      this.wait = refresh.every
      this.at = Date.now()
      this.show(shown, mine)
      this.setData({ age: `${texts.updated} ${clock(this.at)}` })
    } catch (error) {
      if (!current()) return
      if (error instanceof ApiError && error.final) {
        // The next answer would be the same.
        this.showNone({ kind: 'failed', title: reason(error), detail: advice(error) })
        return
      }
      const asked = error instanceof ApiError ? error.retryAfter * 1000 : 0
      this.wait = Math.max(Math.min(this.wait * 2, refresh.atMost), asked)
      this.failed(error)
    }
    if (this.visible) this.timer = setTimeout(() => void this.load(), this.wait)
  },

  /** What was shown before stays, because the code is the same. */
  failed(error: unknown) {
    if (this.data.state === 'ready') this.setData({ age: staleSince(error, this.at) })
    else
      this.showNone({
        kind: 'failed',
        title: texts.failed,
        detail: reason(error),
        reference: reference(error),
        action: texts.retry,
      })
  },

  show(shown: Face, mine?: MemberCard) {
    if (!mine?.code || !isHeld(mine)) {
      this.showNone(isClaiming(this.cardId) ? claiming : (endings[mine?.status ?? 'issued'] ?? nothing))
      return
    }
    if (this.data.state !== 'ready' && this.visible) void brighten()
    this.draw(mine.code, shown.code_type)
    const { membership_number: number } = mine
    this.setData({
      state: 'ready',
      title: [shown.brand_name, shown.title].filter(Boolean).join(' · '),
      status: mine.status === 'claimed' ? statusOf(mine, shown) : '',
      number: number && number !== mine.code ? number : '',
      figures: [
        ...(shown.supply_bonus ? [{ name: texts.bonus, value: points(mine.bonus) }] : []),
        ...(shown.supply_balance ? [{ name: texts.balance, value: yuan(mine.balance) }] : []),
      ],
    })
  },

  showNone(none: None) {
    this.setData({
      state: 'none',
      none: { kind: 'empty', detail: '', reference: '', action: '', ...none },
    })
    void dim()
  },

  /** Draws the code if it is another one, because the pictures are large for setData. */
  draw(code: string, codeType?: string) {
    if (code === this.data.code && codeType === this.codeType) return
    this.codeType = codeType
    const { windowWidth, pixelRatio } = wx.getWindowInfo()
    const drawn = memberCode(code, codeType, { width: windowWidth - margins, ratio: pixelRatio })
    this.setData({ code, drawn })
  },

  /** The button of the notice. */
  act() {
    if (this.data.none.action === texts.retry) this.retry()
    else
      void once(this, () =>
        wx.redirectTo({ url: `/pages/index/index?card_id=${encodeURIComponent(this.cardId)}` }),
      )
  },

  async copy() {
    this.setData({ outcome: (await copy(this.data.code)) ? '' : texts.copyFailed })
  },

  openWallet() {
    return once(this, async () => {
      const opened = await openCard(this.cardId, this.data.code)
      this.setData({ outcome: notOpened[opened.kind] })
    })
  },
})

/** What is shown in place of a code. */
interface None {
  kind?: string
  title: string
  detail?: string
  reference?: string
  action?: string
}

const nothing: None = { title: texts.noCard, detail: texts.noCodeHint, action: texts.goTake }
const claiming: None = { title: texts.statusClaimed, action: texts.retry }
const endings: Partial<Record<MemberCard['status'], None>> = {
  deleted: { title: texts.statusDeleted, detail: texts.deletedHint, action: texts.restore },
  gifted: { title: texts.endedGifted, action: texts.goTake },
  unavailable: { title: texts.endedUnavailable, detail: texts.contactShop },
}
