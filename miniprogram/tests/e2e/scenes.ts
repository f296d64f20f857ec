/** All that the pages can show, as answers of a server that the pages take for the real one. */
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Entry, Face, MemberCard } from '../../src/services/api.ts'
import type { Texts } from '../../src/texts.ts'
import type { World } from './world.ts'

/** One look of a page. */
export interface Scene {
  name: string
  path: string
  /** Data that an event would set. */
  data?: Record<string, unknown>
  /** The outcome of a tap, as the name of its text: the page has it in the phone's language. */
  outcome?: keyof Texts
  /** The scene's card_id is its name; without a card the page is opened without one. */
  card?: SceneCard | 'none' | 'broken' | 'slow'
}

export interface SceneCard {
  face?: Partial<Face>
  mine?: Partial<MemberCard>
  entries?: Entry[] | 'broken' | 'slow'
  /** The open-card component's parameters cannot be had. */
  componentBroken?: boolean
}

const index = 'pages/index/index'
const member = 'pages/member/member'
const code = 'pages/code/code'
const terms = [
  '每消费一元积一分，积分不兑换现金。',
  '积分可在全部门店使用，每 100 积分抵扣 1 元，单笔最多抵扣消费金额的一半。',
  '储值余额不设有效期，退卡时按实际余额退还至原支付账户。',
  '本卡仅限本人使用，不可转让；如有疑问请联系门店。',
].join('\n')
const long: Partial<Face> = {
  brand_name: '示例小店咖啡烘焙体验馆',
  title: '黑金尊享会员年卡',
  description: terms,
  service_phone: '400-820-8820',
}
const entry = (seq: number, more: Partial<Entry>): Entry => ({
  id: `e${seq}`,
  seq,
  add_bonus: 0,
  add_balance: 0,
  bonus: 0,
  balance: 0,
  record_bonus: '',
  record_balance: '',
  created_at: '2026-11-29T01:31:00Z',
  ...more,
})
const history = [
  entry(4, { add_bonus: 38, add_balance: -3850, record_bonus: '拿铁两杯' }),
  entry(3, { add_bonus: 1288, record_bonus: '开卡礼' }),
  entry(2, { add_bonus: -100 }),
  entry(1, { add_balance: 20_000, record_balance: '储值200元' }),
]
const much = [
  entry(1, { add_bonus: 1_234_567, add_balance: 12_345_678, record_bonus: '生日当月双倍积分活动赠送' }),
]
const active: SceneCard = { mine: {}, entries: history }
const picture = (fill: string) =>
  `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg"><rect width="100%" height="100%" fill="${fill}"/></svg>`)}`

/** A card without a picture, and with a broken logo. */
const plain: Partial<Face> = {
  background_pic_url: '',
  logo_url: 'data:image/png;base64,AAAA',
  color: 'Color082',
}

export const scenes: Scene[] = [
  { name: 'take', path: index, card: { face: long } },
  { name: 'take-short', path: index, card: {} },
  { name: 'take-busy', path: index, card: {}, data: { busy: true } },
  { name: 'take-cancelled', path: index, card: {}, outcome: 'cancelled' },
  { name: 'take-plain', path: index, card: { face: plain } },
  { name: 'take-restore', path: index, card: { mine: { status: 'deleted' } } },
  { name: 'take-held', path: index, card: active },
  { name: 'take-form', path: index, card: { face: { take: 'open_card' } } },
  { name: 'take-form-failed', path: index, card: { face: { take: 'open_card' }, componentBroken: true } },
  { name: 'take-sold-out', path: index, card: { face: { sold_out: true } } },
  { name: 'take-loading', path: index, card: 'slow' },
  { name: 'take-failed', path: index, card: 'broken' },
  { name: 'take-none', path: index },
  { name: 'member', path: member, card: active },
  {
    name: 'member-long',
    path: member,
    card: {
      face: { ...long, background_pic_url: picture('white') },
      mine: {
        status: 'claimed',
        code: '12345678901234567890',
        bonus: 1_234_567,
        balance: 12_345_678,
        fields: { custom_field1: '黑金会员' },
      },
      entries: much,
    },
  },
  {
    name: 'member-form',
    path: member,
    card: { face: { take: 'open_card' }, mine: { status: 'claimed' }, entries: [] },
  },
  { name: 'member-deleted', path: member, card: { ...active, mine: { status: 'deleted' } } },
  {
    name: 'member-unavailable',
    path: member,
    card: { ...active, face: { background_pic_url: '' }, mine: { status: 'unavailable' } },
  },
  { name: 'member-history-failed', path: member, card: { mine: {}, entries: 'broken' } },
  { name: 'member-history-loading', path: member, card: { mine: {}, entries: 'slow' } },
  { name: 'member-none', path: member, card: {} },
  { name: 'member-loading', path: member, card: 'slow' },
  { name: 'member-failed', path: member, card: 'broken' },
  { name: 'code', path: code, card: active },
  { name: 'code-bars', path: code, card: { ...active, face: { code_type: 'CODE_TYPE_BARCODE' } } },
  { name: 'code-text', path: code, card: { ...active, face: { code_type: 'CODE_TYPE_TEXT' } } },
  { name: 'code-hidden', path: code, card: { ...active, face: { code_type: 'CODE_TYPE_NONE' } } },
  {
    name: 'code-form',
    path: code,
    card: { face: { take: 'open_card', code_type: 'CODE_TYPE_BARCODE' }, mine: { status: 'claimed' } },
  },
  { name: 'code-none', path: code, card: {} },
  { name: 'code-loading', path: code, card: 'slow' },
  { name: 'code-failed', path: code, card: 'broken' },
]

const faceOf = (scene: Scene, card: SceneCard): Face => ({
  card_id: scene.name,
  brand_name: '示例小店',
  title: '金卡会员',
  color: 'Color020',
  logo_url: 'http://mmbiz.qpic.cn/mmbiz/demo/0',
  background_pic_url: 'https://mmbiz.qlogo.cn/mmbiz/demo/0',
  notice: '结账时出示此卡',
  description: '每消费一元积一分，积分不兑换现金。\n本卡仅限本人使用。',
  prerogative: '会员日双倍积分，生日当月赠饮一杯。',
  supply_bonus: true,
  supply_balance: true,
  take: 'add_card',
  code_type: 'CODE_TYPE_QRCODE',
  activation: card.face?.take === 'open_card' ? 'component' : 'on_claim',
  sold_out: false,
  custom_fields: [
    { field: 'custom_field1', name_type: 'FIELD_NAME_TYPE_LEVEL', url: 'https://shop.example/level' },
  ],
  ...card.face,
})

const mineOf = (scene: Scene, mine: Partial<MemberCard>): MemberCard => ({
  card_id: scene.name,
  code: '1234567890123456',
  status: 'active',
  bonus: 1326,
  balance: 16_150,
  fields: { custom_field1: '金卡' },
  ...mine,
})

/** Serves the scenes, as the world of a test phone. Nothing happens in it. */
export async function startStage(): Promise<Pick<World, 'baseUrl' | 'sim' | 'stop'>> {
  const server = createServer((request, response) => answer(request.url!, response))
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sim: async <T>() => ({ code: 'once' }) as T, // only wx.login is answered
    stop: () => close(server),
  }
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections()
  await new Promise((closed) => server.close(closed))
}

function answer(url: string, response: ServerResponse): void {
  const path = url.split('?')[0]!.split('/').slice(2) // without /v1
  const scene = scenes.find((one) => path.includes(one.name))
  const card = scene?.card
  const send = (body: unknown, status = 200) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  const fail = () =>
    send(
      { status: 503, code: 'unavailable', title: 'unavailable', type: '', request_id: '0a1b2c3d4e5f' },
      503,
    )
  if (path[0] === 'session')
    return void send({ token: 't', token_type: 'Bearer', expires_in: 9999, member: account })
  if (path[0] === 'me' && path.length === 1) return void send(account)
  if (!scene || card === 'broken') return void fail()
  if (typeof card !== 'object') return // no answer: the page goes on loading
  const { entries } = card
  if (path.at(-1) === 'entries')
    return entries === 'slow'
      ? undefined
      : void (entries === 'broken' ? fail() : send({ entries: entries ?? [] }))
  if (path.at(-1) === 'open-card')
    return void (card.componentBroken ? fail() : send({ appId: 'wx', extraData: {} }))
  send(faceOf(scene, card))
}

const account = {
  id: 'member',
  cards: scenes.flatMap((scene) =>
    typeof scene.card === 'object' && scene.card.mine ? [mineOf(scene, scene.card.mine)] : [],
  ),
}
