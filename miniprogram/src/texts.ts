/** All texts that users read, in Chinese and English. */
import { moment } from './format'
import type { Face, FaceField, MemberCard } from './services/api'
import { ApiError, type ErrorCode } from './services/http'

const zh = {
  takeTitle: '领取会员卡',
  memberTitle: '我的会员卡',

  take: '立即领取',
  taking: '领取中',
  restore: '恢复会员卡',
  activate: '填写资料并激活',
  view: '查看我的会员卡',
  heldHint: '已领取，可在微信卡包中查看',
  deletedHint: '你曾删除此卡，恢复后卡号和积分不变',
  activateHint: '在微信开卡页填写资料，提交后即可使用',
  privileges: '会员权益',
  rules: '使用须知',
  unfold: '展开',
  fold: '收起',
  callShop: '联系商家',
  linkCopied: '链接已复制，可粘贴到微信聊天或浏览器中打开',

  cancelled: '已取消领取',
  soldOut: '已领完',
  soldOutHint: '会员卡已领完或已下架，请联系商家',
  heldElsewhere: '微信提示已领取，请到卡包中查看；如未找到，请稍后再试或联系商家',
  badSignature: '微信校验未通过，请稍后再试',
  takeFailed: '领取失败，请稍后再试',
  activationLost: '资料已提交，激活未完成',

  bonus: '积分',
  balance: '余额（元）',
  statusActive: '使用中',
  statusClaimed: '激活中',
  statusForm: '待激活',
  statusDeleted: '已从卡包删除',
  statusUnavailable: '已失效',
  openWallet: '打开卡包',
  openFailed: '无法打开微信卡包，请稍后再试',

  history: '积分与余额明细',
  historyEmpty: '暂无明细',
  historyEmptyHint: '消费或充值后，可在此查看明细',
  bonusChanged: '积分变动',
  balanceChanged: '余额变动',
  bonusUnit: '积分',
  bonusUnitOne: '积分',
  balanceUnit: '元',
  more: '正在加载更多',
  noMore: '没有更多了',

  showCode: '出示会员码',
  codeTitle: '会员码',
  barcode: '条形码',
  qrCode: '二维码',
  copy: '复制',
  copyFailed: '复制失败',
  membershipNumber: '会员号',
  noCode: '此卡不显示会员码，请在卡包中出示',
  updated: '更新于',
  endedGifted: '会员卡已转赠',
  endedUnavailable: '会员卡已失效',

  noCard: '暂无会员卡',
  noCardHint: '领取后可在此查看积分和余额',
  noCodeHint: '领取后可在此出示会员码',
  goTake: '去领取',
  noCardId: '未找到会员卡',
  noCardIdHint: '请重新扫描商家的二维码，或通过商家的链接进入',
  askShop: '请重新扫描商家的二维码，或联系商家',
  contactShop: '请联系商家',
  confirming: '会员卡已放入微信卡包，正在确认',
  loading: '加载中',
  failed: '加载失败',
  retry: '重试',
  requestId: '错误编号',

  // joining
  freeAuto: '免费领取，立即生效',
  freeOnClaim: '免费领取，领取后自动激活',
  freeForm: '免费领取，领取后在微信卡包中填写资料即可激活',
  formInWallet: '去卡包填写资料',
  formInWalletHint: '在微信卡包中提交资料后，会员卡即可使用',
  unsupported: '当前设备不支持，请在手机微信中打开',
  onlyShown: '点击下方“前往小程序”领取会员卡',
  phone: '手机号',
  phoneGive: '一键绑定',
  phoneTake: '手机号快捷领取',
  phoneTakeHint: '领取需要验证手机号，商家可用它查找你的会员卡',
  phoneRefused: '未授权手机号',
  phoneNoConsent: '需要先同意隐私保护指引',
  phoneUnavailable: '暂时无法获取手机号，请稍后再试或联系商家',
  profile: '头像和昵称',
  profileEnter: '去填写',
  profileHint: '仅保存在本机，其他人看不到',
  avatarChoose: '选择头像',
  avatarFailed: '头像保存失败',
  nickname: '昵称',
  nicknameEnter: '请输入昵称',
  save: '保存',
  notify: '会员通知',
  notifyAsk: '订阅',
  notifyAccepted: '已订阅',
  notifyRejected: '未订阅',
  notifyOff: '通知已关闭，可在小程序右上角“设置”中开启',
  notifyFailed: '暂时无法订阅，请稍后再试',
  share: '分享给好友',
  privacyTitle: '隐私保护提示',
  privacyText: '使用此功能前，请阅读并同意',
  privacyName: '《用户隐私保护指引》',
  agree: '同意',
  disagree: '拒绝',
  updateTitle: '更新提示',
  updateText: '新版本已准备好，重启后即可使用',
  updateNow: '重启',
  updateLater: '稍后',
}

export type Texts = typeof zh

const en: Texts = {
  takeTitle: 'Member card',
  memberTitle: 'My card',

  take: 'Get the card',
  taking: 'Adding…',
  restore: 'Restore the card',
  activate: 'Fill in the form to activate',
  view: 'View my card',
  heldHint: 'This card is in your WeChat wallet',
  deletedHint: 'You deleted this card. Restoring it keeps its number and points',
  activateHint: 'Enter your details on WeChat’s page, and the card is ready to use',
  privileges: 'Benefits',
  rules: 'Terms',
  unfold: 'Show all',
  fold: 'Show less',
  callShop: 'Call the shop',
  linkCopied: 'Link copied. Paste it into a chat or a browser to open it',

  cancelled: 'Cancelled',
  soldOut: 'Sold out',
  soldOutHint: 'No cards are left, or the card was withdrawn. Please ask the shop',
  heldElsewhere:
    'WeChat says that you already have this card. If it is not in your wallet, try again later or ask the shop',
  badSignature: 'WeChat could not verify the card. Please try again later',
  takeFailed: 'The card could not be added. Please try again later',
  activationLost: 'Your details were submitted, but the card is not active yet',

  bonus: 'Points',
  balance: 'Balance (¥)',
  statusActive: 'Active',
  statusClaimed: 'Activating',
  statusForm: 'Not activated',
  statusDeleted: 'Deleted from the wallet',
  statusUnavailable: 'No longer valid',
  openWallet: 'Open the wallet',
  openFailed: 'The wallet could not be opened. Please try again later',

  history: 'Points and balance',
  historyEmpty: 'No activity yet',
  historyEmptyHint: 'Purchases and top-ups will appear here',
  bonusChanged: 'Points changed',
  balanceChanged: 'Balance changed',
  bonusUnit: 'points',
  bonusUnitOne: 'point',
  balanceUnit: 'CNY',
  more: 'Loading more',
  noMore: 'No more entries',

  showCode: 'Show my code',
  codeTitle: 'Member code',
  barcode: 'Barcode',
  qrCode: 'QR code',
  copy: 'Copy',
  copyFailed: 'Copying failed',
  membershipNumber: 'Member number',
  noCode: 'No code here. Show the card from your WeChat wallet',
  updated: 'Last updated',
  endedGifted: 'You gave this card away',
  endedUnavailable: 'This card is no longer valid',

  noCard: 'No card yet',
  noCardHint: 'Get the card to see your points and balance here',
  noCodeHint: 'Get the card to show your code here',
  goTake: 'Get the card',
  noCardId: 'No card found',
  noCardIdHint: 'Scan the shop’s QR code again, or open its link',
  askShop: 'Scan the shop’s QR code again, or ask the shop',
  contactShop: 'Please contact the shop',
  confirming: 'The card is in your WeChat wallet and is being confirmed',
  loading: 'Loading',
  failed: 'Couldn’t load',
  retry: 'Try again',
  requestId: 'Error ID',

  // joining
  freeAuto: 'Free. The card is ready to use at once',
  freeOnClaim: 'Free. Activated automatically',
  freeForm: 'Free. Enter your details in the WeChat wallet to activate the card',
  formInWallet: 'Enter details in the wallet',
  formInWalletHint: 'The card is ready to use once you have submitted the form in your WeChat wallet',
  unsupported: 'This device cannot do that. Please use WeChat on a phone',
  onlyShown: 'Open the mini-program with the button below to get the card',
  phone: 'Phone number',
  phoneGive: 'Add',
  phoneTake: 'Get the card with my phone number',
  phoneTakeHint: 'A phone number is required. The shop uses it to find your card',
  phoneRefused: 'The phone number was not shared',
  phoneNoConsent: 'Please agree to the privacy notice first',
  phoneUnavailable: 'The phone number is not available. Try again later or ask the shop',
  profile: 'Profile',
  profileEnter: 'Set',
  profileHint: 'They stay on this phone. No one else can see them',
  avatarChoose: 'Choose a picture',
  avatarFailed: 'The picture could not be saved',
  nickname: 'Nickname',
  nicknameEnter: 'Nickname',
  save: 'Save',
  notify: 'Messages',
  notifyAsk: 'Subscribe',
  notifyAccepted: 'Subscribed',
  notifyRejected: 'Not subscribed',
  notifyOff: 'Messages are off. Switch them on in the mini-program’s settings',
  notifyFailed: 'Subscribing failed. Please try again later',
  share: 'Share with a friend',
  privacyTitle: 'Your privacy',
  privacyText: 'Before you use this, please read and agree to',
  privacyName: 'the privacy notice',
  agree: 'Agree',
  disagree: 'Decline',
  updateTitle: 'Update',
  updateText: 'A new version is ready. It is used after a restart',
  updateNow: 'Restart',
  updateLater: 'Later',
}

const english = !wx.getAppBaseInfo().language.startsWith('zh')

export const texts: Texts = english ? en : zh

/** What happens after a card is taken, by the way in which it becomes active. */
export const takeHints = {
  auto: texts.freeAuto,
  on_claim: texts.freeOnClaim,
  form: texts.freeForm,
  component: texts.activateHint,
}

const statuses: Partial<Record<MemberCard['status'], string>> = {
  active: texts.statusActive,
  claimed: texts.statusClaimed,
  deleted: texts.statusDeleted,
  unavailable: texts.statusUnavailable,
}

/** The status of a card that was taken; '' if the member has none. A card that waits for a form waits for the member. */
export const statusOf = (mine: MemberCard, shown: Face): string =>
  mine.status === 'claimed' && (shown.activation === 'form' || shown.activation === 'component')
    ? texts.statusForm
    : (statuses[mine.status] ?? '')

/** Why the button for the phone number gave none. */
export const notGiven = {
  refused: texts.phoneRefused,
  no_consent: texts.phoneNoConsent,
  unavailable: texts.phoneUnavailable,
}

/** What the user reads after the wallet was to be opened; nothing if it was, or if they changed their mind. */
export const notOpened = {
  opened: '',
  cancelled: '',
  unsupported: texts.unsupported,
  failed: texts.openFailed,
}

/** WeChat's names for custom fields, in WeChat's spelling. */
const fieldNames: Record<string, [zh: string, en: string]> = {
  FIELD_NAME_TYPE_LEVEL: ['等级', 'Level'],
  FIELD_NAME_TYPE_COUPON: ['优惠券', 'Coupons'],
  FIELD_NAME_TYPE_STAMP: ['印花', 'Stamps'],
  FIELD_NAME_TYPE_DISCOUNT: ['折扣', 'Discount'],
  FIELD_NAME_TYPE_ACHIEVEMEN: ['成就', 'Achievements'],
  FIELD_NAME_TYPE_MILEAGE: ['里程', 'Mileage'],
  FIELD_NAME_TYPE_SET_POINTS: ['集点', 'Points collected'],
  FIELD_NAME_TYPE_TIMS: ['次数', 'Uses'],
}

/** The label of a custom field: the merchant's own, or WeChat's name in the user's language. */
export function fieldName(field: FaceField): string {
  const [zhName, enName] = fieldNames[field.name_type ?? ''] ?? ['其他', 'Other']
  return field.name || (english ? enName : zhName)
}

/** What the user reads about an error; reason has the text for all other errors. */
const reasons: Partial<Record<ErrorCode, [zh: string, en: string]>> = {
  offline: ['网络不可用，请检查网络后重试', 'You are offline. Check the connection and try again'],
  timeout: ['网络超时，请稍后再试', 'The network is slow. Please try again later'],
  login_failed: ['微信登录失败，请重试', 'WeChat sign-in failed. Please try again'],
  tourist: [
    '开发者工具的游客模式无法登录，请填写自己的 AppID',
    'DevTools’ guest mode cannot sign in. Enter your own AppID',
  ],
  login_code_invalid: ['微信登录失败，请重试', 'WeChat sign-in failed. Please try again'],
  session_invalid: ['登录已过期，请重试', 'Your session has expired. Please try again'],
  user_blocked: ['该微信账号暂时无法使用', 'This WeChat account cannot be used at the moment'],
  card_not_found: ['会员卡不存在', 'This card does not exist'],
  card_not_claimable: ['会员卡已领完或已下架', 'This card is sold out or was withdrawn'],
  openid_unknown: ['请先在公众号中领取此卡', 'Please get this card in the Official Account first'],
  code_not_yours: ['此卡属于其他会员', 'This card belongs to another member'],
  phone_taken: [
    '该手机号已属于其他会员，请更换号码或联系商家',
    'This phone number belongs to another member. Use another one or ask the shop',
  ],
  phone_code_invalid: ['手机号授权已失效，请再点一次', 'Authorization expired. Please tap again'],
  activate_ticket_invalid: ['激活已超时，请重新填写资料', 'The form has expired. Please fill it in again'],
  rate_limited: ['操作过于频繁，请稍后再试', 'Too many requests. Please try again later'],
  wechat_unavailable: ['微信服务暂不可用，请稍后再试', 'WeChat is not responding. Please try again later'],
  ticket_unavailable: [
    '暂时无法领取，请稍后再试',
    'Cards cannot be issued right now. Please try again later',
  ],
}

export function reason(error: unknown): string {
  if (error instanceof ApiError && error.code === 'rate_limited' && error.retryAfter > 0)
    return english
      ? `Too many requests. Please try again in ${error.retryAfter} ${error.retryAfter === 1 ? 'second' : 'seconds'}`
      : `操作过于频繁，请 ${error.retryAfter} 秒后再试`
  const known = error instanceof ApiError ? reasons[error.code] : undefined
  const [zhReason, enReason] = known ?? [
    '服务暂时不可用，请稍后再试',
    'The service is unavailable. Please try again later',
  ]
  return english ? enReason : zhReason
}

/** Says what to do about an answer that would be the same again. */
export const advice = (error: ApiError): string =>
  error.code === 'user_blocked' ? texts.contactShop : texts.askShop

/** Says why something failed, and the reference on a line of its own if there is one. */
export const explained = (error: unknown): string => lines(reason(error), reference(error))

/** Says why the content could not be loaded again, and how old it is. */
export const staleSince = (error: unknown, at: number): string =>
  lines(reason(error), `${texts.updated} ${moment(at)}`, reference(error))

const lines = (...all: string[]): string => all.filter(Boolean).join('\n')

/** A reference that the user can give to the shop, for faults of the server; otherwise empty. */
export const reference = (error: unknown): string =>
  error instanceof ApiError && error.requestId && error.status >= 500
    ? `${texts.requestId} ${error.requestId.slice(0, 8)}`
    : ''
