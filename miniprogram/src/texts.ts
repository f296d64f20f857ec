/** Every word that the user reads, in both languages. */
import type { FaceField } from './services/api'
import { ApiError, type ErrorCode } from './services/http'

const zh = {
  takeTitle: '领取会员卡',
  memberTitle: '我的会员卡',

  take: '立即领取',
  taking: '领取中',
  restore: '恢复会员卡',
  activate: '填写资料并激活',
  view: '查看我的会员卡',
  free: '免费领取，卡片会放进微信卡包',
  heldHint: '这张卡已在你的微信卡包里',
  deletedHint: '你删除过这张卡，恢复后卡号和积分不变',
  activateHint: '在微信的开卡页面填写资料，提交后即可使用',
  privileges: '会员权益',
  rules: '使用须知',

  cancelled: '已取消，随时可以再领',
  soldOut: '这张卡已经领完了',
  badSignature: '微信没有接受这次领取，请稍后再试',
  takeFailed: '领取没有成功',
  activationLost: '资料已提交，激活还没完成',

  bonus: '积分',
  balance: '余额（元）',
  statusActive: '使用中',
  statusClaimed: '激活中',
  statusForm: '待激活',
  statusDeleted: '已从卡包删除',
  statusUnavailable: '已失效',
  openWallet: '在微信卡包中打开',
  openFailed: '没能打开卡包',

  history: '积分与余额明细',
  historyEmpty: '还没有变动',
  historyEmptyHint: '消费或充值后，明细会出现在这里',
  bonusChanged: '积分变动',
  balanceChanged: '余额变动',
  bonusUnit: '积分',
  balanceUnit: '元',
  more: '正在加载更多',
  noMore: '没有更多了',

  noCard: '还没有会员卡',
  noCardHint: '领取后可以在这里查看积分和余额',
  goTake: '去领取',
  noCardId: '没有指定会员卡',
  noCardIdHint: '请通过商家的二维码或链接打开，开发者可在 config.ts 中填写 cardId',
  loading: '加载中',
  failed: '加载失败',
  retry: '重试',
  requestId: '编号',
}

export type Texts = typeof zh

const en: Texts = {
  takeTitle: 'Membership card',
  memberTitle: 'My card',

  take: 'Get the card',
  taking: 'One moment',
  restore: 'Restore the card',
  activate: 'Fill in the form to activate',
  view: 'Show my card',
  free: 'Free of charge; it goes into your WeChat wallet',
  heldHint: 'This card is in your WeChat wallet',
  deletedHint: 'You deleted this card; its number and points come back',
  activateHint: 'WeChat asks for a few details, then the card is ready',
  privileges: 'Privileges',
  rules: 'Terms',

  cancelled: 'Cancelled. You can get it any time',
  soldOut: 'There are no cards left',
  badSignature: 'WeChat did not accept it; please try again later',
  takeFailed: 'That did not work',
  activationLost: 'Your details are sent, the card is not active yet',

  bonus: 'Points',
  balance: 'Balance (CNY)',
  statusActive: 'Active',
  statusClaimed: 'Activating',
  statusForm: 'To be activated',
  statusDeleted: 'Deleted from the wallet',
  statusUnavailable: 'No longer valid',
  openWallet: 'Open in WeChat wallet',
  openFailed: 'The wallet did not open',

  history: 'Points and balance',
  historyEmpty: 'Nothing yet',
  historyEmptyHint: 'Purchases and top-ups appear here',
  bonusChanged: 'Points changed',
  balanceChanged: 'Balance changed',
  bonusUnit: 'points',
  balanceUnit: 'CNY',
  more: 'Loading more',
  noMore: 'That is all',

  noCard: 'No card yet',
  noCardHint: 'Your points and balance will be here',
  goTake: 'Get the card',
  noCardId: 'Which card?',
  noCardIdHint: "Open this page by the shop's QR code or link; developers fill in cardId in config.ts",
  loading: 'Loading',
  failed: 'It did not load',
  retry: 'Try again',
  requestId: 'Reference',
}

const english = !wx.getAppBaseInfo().language.startsWith('zh')

export const texts: Texts = english ? en : zh

/** WeChat's own names of custom fields, spelt as it spells them. */
const fieldNames: Record<string, [zh: string, en: string]> = {
  FIELD_NAME_TYPE_LEVEL: ['等级', 'Level'],
  FIELD_NAME_TYPE_COUPON: ['优惠券', 'Coupons'],
  FIELD_NAME_TYPE_STAMP: ['印花', 'Stamps'],
  FIELD_NAME_TYPE_DISCOUNT: ['折扣', 'Discount'],
  FIELD_NAME_TYPE_ACHIEVEMEN: ['成就', 'Achievements'],
  FIELD_NAME_TYPE_MILEAGE: ['里程', 'Mileage'],
  FIELD_NAME_TYPE_SET_POINTS: ['集点', 'Points set'],
  FIELD_NAME_TYPE_TIMS: ['次数', 'Times'],
}

/** What a custom field is called: the merchant's name, or WeChat's in the user's language. */
export function fieldName(field: FaceField): string {
  const [zhName, enName] = fieldNames[field.name_type ?? ''] ?? ['其他', 'Other']
  return field.name || (english ? enName : zhName)
}

/** What the user is told of an error; what is not here is the text after ??. */
const reasons: Partial<Record<ErrorCode, [zh: string, en: string]>> = {
  offline: ['网络不可用，请检查网络后重试', 'You seem to be offline'],
  timeout: ['网络太慢，请稍后再试', 'The network is too slow; try again later'],
  login_failed: ['微信登录没有成功，请重试', 'Signing in to WeChat failed; try again'],
  login_code_invalid: ['微信登录没有成功，请重试', 'Signing in to WeChat failed; try again'],
  session_invalid: ['登录已过期，请重试', 'Your session has ended; try again'],
  user_blocked: ['这个微信账号暂时无法使用', 'This WeChat account cannot be used'],
  card_not_found: ['没有找到这张会员卡', 'There is no such card'],
  card_not_claimable: ['这张卡已领完或已下架', 'This card is sold out or withdrawn'],
  openid_unknown: ['请先在公众号里领取一次这张卡', 'Get this card in the Official Account first'],
  code_not_yours: ['这张卡属于另一位会员', 'This card is somebody else’s'],
  activate_ticket_invalid: ['激活超时了，请重新填写', 'That took too long; please fill in the form again'],
  rate_limited: ['操作太频繁，请稍后再试', 'Too many requests; try again later'],
  wechat_unavailable: ['微信暂时没有响应，请稍后再试', 'WeChat does not answer; try again later'],
  ticket_unavailable: ['暂时不能领取，请稍后再试', 'Cards cannot be taken right now; try again later'],
}

export function reason(error: unknown): string {
  const known = error instanceof ApiError ? reasons[error.code] : undefined
  const [zhReason, enReason] = known ?? [
    '服务暂时不可用，请稍后再试',
    'The service is not available; try again later',
  ]
  return english ? enReason : zhReason
}

/** What to quote to the shop when an error has no better explanation. */
export const reference = (error: unknown): string =>
  error instanceof ApiError && error.requestId && error.status >= 500
    ? `${texts.requestId} ${error.requestId.slice(0, 8)}`
    : ''
