/** Journeys through the mini-program in Chromium, with the real server and the simulator's phone. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import type { Host } from '../../host/runtime/phone.ts'
import { format, type Document } from '../../scripts/typescript.ts'
import { browser, follow, index, journey, member, take, world, type Walk } from './journey.ts'
import { TestPhone } from './phone.ts'
import { until } from './world.ts'

declare const window: { host: Host }

const firstVisit: Walk = async (phone, cardId) => {
  await phone.sees('示例小店')
  await phone.sees('会员日双倍积分')
  await phone.sees('每消费一元积一分')
  await take(phone)
  const [card] = await phone.wallet()
  assert.equal(card?.has_active, true)
  assert.equal(card.card_id, cardId)
  assert.equal(phone.count('POST', '/v1/session'), 1, 'one login')
  assert.equal(phone.count('POST', '/v1/card-ext'), 1, 'one signature')
  assert.equal(phone.count('POST', '/v1/claims'), 1, 'one report')
  await phone.sees('暂无明细')

  await world
    .admin('POST', `/v1/cards/${cardId}/codes/${card.code}/entries`, {
      add_bonus: 30,
      add_balance: -1234,
      record_bonus: '消费30元',
    })
    .then(
      () => assert.fail('a debit without balance was booked'),
      (error: unknown) => assert.match(String(error), /insufficient_balance/),
    )
  await world.admin('POST', `/v1/cards/${cardId}/codes/${card.code}/entries`, {
    add_bonus: 30,
    record_bonus: '消费30元',
  })
  await world.admin('PUT', `/v1/cards/${cardId}/codes/${card.code}/fields`, { custom_field1: '金卡' })
  await phone.pullDown()
  await phone.sees('消费30元')
  await phone.sees('+30 积分')
  await phone.sees('等级')
  await phone.top().getByLabel('等级 金卡').waitFor()
  await until(async () => (await phone.wallet())[0]?.bonus === 30, 'the bonus in the wallet')

  await phone.tap('打开卡包')
  await until(() => phone.called('openCard').length === 1, 'wx.openCard')
  assert.deepEqual(phone.called('openCard'), [{ cardList: [{ cardId, code: card.code }] }])
}

journey('first visit: take the card, see points, open it in the wallet', firstVisit)

test('the journey fails if the signature of cardExt is wrong', async () => {
  const tamper = (path: string, body: string) =>
    path === '/v1/card-ext'
      ? body.replace(
          /(\\"signature\\":\\")(.)/,
          (_, before: string, digit: string) => before + (digit === '0' ? '1' : '0'),
        )
      : body
  const cardId = await world.createCard()
  await follow(
    async (phone) => {
      await phone.tap('立即领取')
      await phone.sees('微信校验未通过')
      assert.equal(phone.count('POST', '/v1/card-ext'), 2, 'a second signature is tried, but no third')
      assert.deepEqual(await phone.wallet(), [], 'nothing was taken')
      assert.equal(phone.count('POST', '/v1/claims'), 0)
      // The first steps of every journey fail here, too.
      phone.patience = 1500
      await assert.rejects(take(phone), /waited in vain for the page pages\/member/)
    },
    cardId,
    { tamper },
  )
})

test('the journey fails if cardExt has another code than was signed', async () => {
  const tamper = (path: string, body: string) =>
    path === '/v1/card-ext'
      ? body.replace(
          /(\\"code\\":\\")(\d)/,
          (_, before: string, digit: string) => before + (digit === '9' ? '8' : '9'),
        )
      : body
  await follow(
    async (phone) => {
      await phone.tap('立即领取')
      await phone.sees('微信校验未通过')
      assert.deepEqual(await phone.wallet(), [])
    },
    await world.createCard(),
    { tamper },
  )
})

test('another system invalidated the ticket: WeChat refuses signatures until the operator reports it', async () => {
  const { value } = await world.admin<{ value: string }>('GET', '/v1/tickets/wx_card')
  await world.sim('POST', '/_sim/tokens/expire', { what: 'wx_card' })
  await follow(
    async (phone) => {
      await phone.tap('立即领取')
      await phone.sees('微信校验未通过')
      assert.deepEqual(await phone.wallet(), [])
      await world.admin('POST', '/v1/tickets/wx_card/invalidate', { rejected: value })
      await until(async () => {
        await phone.tap('立即领取')
        await phone.page.waitForFunction(() => document.querySelector('button[loading]') === null)
        return (await phone.wallet()).length === 1
      }, 'a card signed with the new ticket')
      await phone.on(member)
      await phone.sees('使用中')
    },
    await world.createCard(),
  )
})

test('after a refused signature a new one is requested', async () => {
  let broken = 0
  const tamper = (path: string, body: string) =>
    path === '/v1/card-ext' && broken++ === 0 ? body.replace(/(\\"nonce_str\\":\\")./, '$1_') : body
  await follow(
    async (phone) => {
      await take(phone)
      assert.equal(phone.count('POST', '/v1/card-ext'), 2)
    },
    await world.createCard(),
    { tamper },
  )
})

journey('the user cancels, and then takes the card', async (phone) => {
  phone.closesSheet = true
  await phone.tap('立即领取')
  await phone.sees('已取消领取')
  assert.equal(phone.count('POST', '/v1/claims'), 0)
  phone.closesSheet = false
  await take(phone)
})

journey('a card that the user has is shown, not offered', async (phone) => {
  await take(phone)
  await phone.start()
  await phone.tap('查看我的会员卡')
  await phone.on(member)
  await phone.sees('使用中')
  assert.equal(phone.called('addCard').length, 1)
})

journey('the user took the card on another phone while the page was open', async (phone, cardId) => {
  await phone.sees('立即领取')
  const other = await TestPhone.open(browser, world, phone.user, { query: { card_id: cardId } })
  await take(other)
  await other.close()
  await phone.tap('立即领取')
  await phone.sees('查看我的会员卡')
  assert.equal((await phone.wallet()).length, 1)
})

journey('the phone says 用户已领取 to a user who took the card meanwhile', async (phone, cardId) => {
  await phone.sees('立即领取')
  const other = await TestPhone.open(browser, world, phone.user, { query: { card_id: cardId } })
  await take(other)
  await other.close()
  await world.sim('PUT', '/_sim/guesses', { held_card: '用户已领取' })
  try {
    await phone.tap('立即领取')
    await phone.tap('查看我的会员卡')
  } finally {
    await world.sim('PUT', '/_sim/guesses', { held_card: '已领完' })
  }
  await phone.on(member)
  await phone.tap('打开卡包')
  await until(() => phone.called('openCard').length === 1, 'wx.openCard')
  assert.equal((await phone.wallet()).length, 1)
})

journey('the phone says 已领取 to a user who has no card, until it does not', async (phone) => {
  for (const words of ['已领取', '超过领取限制']) {
    phone.says = words
    await phone.tap('立即领取')
    await phone.sees('微信提示已领取')
    assert.deepEqual(await phone.wallet(), [])
  }
  assert.equal(phone.count('POST', '/v1/claims'), 0)
  phone.says = ''
  await take(phone)
})

journey(
  'a deleted card that WeChat does not restore is explained, and restored later',
  async (phone, cardId) => {
    await take(phone)
    const [card] = await phone.wallet()
    await world.sim('POST', `/_sim/phones/${phone.user}/delete-card`, { card_id: cardId, code: card!.code })
    await until(async () => {
      await phone.pullDown()
      return phone.shows('已从卡包删除')
    }, 'the deletion')
    await phone.tap('恢复会员卡')
    await phone.on(index)
    await world.sim('PUT', '/_sim/guesses', { restore: '已领取' })
    try {
      await phone.tap('恢复会员卡')
      await phone.sees('微信提示已领取')
    } finally {
      await world.sim('PUT', '/_sim/guesses', { restore: 'restored' })
    }
    await phone.tap('恢复会员卡')
    await phone.on(member)
    await phone.sees('使用中')
  },
)

journey(
  'out of stock',
  async (phone, cardId) => {
    await phone.sees('立即领取')
    // Another user takes the last card.
    await follow(take, cardId)
    await phone.tap('立即领取')
    await phone.sees(/领完/)
    assert.deepEqual(await phone.wallet(), [])
  },
  { card: (card) => (card.base_info.sku = { quantity: 1 }) },
)

journey('the session ends in the middle: one more login, and no error', async (phone) => {
  await phone.sees('立即领取')
  await endSession(phone)
  await take(phone)
  assert.equal(phone.count('POST', '/v1/session'), 2)
  assert.equal(phone.requests.filter((request) => request.status === 401).length, 1)
})

/** Ends the member's session without the mini-program. */
async function endSession(phone: TestPhone): Promise<void> {
  // The page does not wait for the login.
  let session: string | null = null
  await until(async () => {
    session = await phone.page.evaluate((key) => localStorage.getItem(key), `${phone.user}/addcard.session`)
    return session !== null
  }, 'a session')
  const { token } = JSON.parse(session!) as { token: string }
  const headers = { authorization: `Bearer ${token}` }
  await fetch(`${world.baseUrl}/v1/session`, { method: 'DELETE', headers })
  await until(
    async () => (await fetch(`${world.baseUrl}/v1/me`, { headers })).status === 401,
    'the end of the session',
  )
}

journey('the server is killed and restarted in the middle', async (phone, cardId) => {
  await phone.sees('立即领取')
  await world.kill()
  await phone.tap('立即领取')
  await phone.sees('网络不可用')
  await world.start()
  await take(phone)
  const [card] = await phone.wallet()
  await world.admin('POST', `/v1/cards/${cardId}/codes/${card!.code}/entries`, { add_bonus: 5 })
  await world.kill()
  await phone.pullDown()
  await phone.sees('网络不可用')
  assert.equal(await phone.shows('使用中'), true, 'the old content stays')
  await world.start()
  await phone.pullDown()
  await phone.sees('+5 积分')
})

test('the server is killed before the claim arrives, and WeChat’s event is lost', async () => {
  let restarted: Promise<void> | undefined
  let claims = 0
  await follow(
    async (phone) => {
      await phone.sees('立即领取')
      await world.sim('POST', '/_sim/events/faults', { event: 'user_get_card', drop: true })
      await phone.tap('立即领取')
      await phone.on(member)
      await phone.sees('已放入微信卡包')
      await until(() => claims > 1, 'a second claim, to a server that is away')
      restarted = world.start()
      await restarted
      // The page looks again by itself.
      await phone.sees('使用中')
      assert.equal((await phone.wallet())[0]?.has_active, true)
    },
    await world.createCard(),
    {
      before: (path) => {
        if (restarted || path !== '/v1/claims') return undefined
        return claims++ === 0 ? world.kill() : undefined
      },
    },
  )
})

test('WeChat is down at the first visit: the card is shown, the tap fails, and works when WeChat is back', async () => {
  const cardId = await world.createCard()
  await fetch(`${world.baseUrl}/v1/cards/${cardId}`) // now the catalogue has the card
  await world.sim('POST', '/_sim/faults', {
    path: '/sns/jscode2session',
    http_status: 502,
    body: 'bad gateway',
    times: -1,
  })
  await follow(async (phone) => {
    try {
      await phone.sees('示例小店')
      await phone.tap('立即领取')
      await phone.sees('微信服务暂不可用')
    } finally {
      await world.sim('DELETE', '/_sim/faults')
    }
    await take(phone)
  }, cardId)
})

test('WeChat is down after the card was taken: the event and the outbox activate it', async () => {
  await follow(
    async (phone) => {
      await phone.sees('立即领取')
      for (const path of ['/card/code/decrypt', '/card/membercard/activate']) {
        await world.sim('POST', '/_sim/faults', { path, http_status: 502, body: 'bad gateway', times: -1 })
      }
      try {
        await phone.tap('立即领取')
        await phone.on(member)
        await phone.sees('激活中')
      } finally {
        await world.sim('DELETE', '/_sim/faults')
      }
      await phone.sees('使用中')
    },
    await world.createCard(),
  )
})

journey('no network: the first page shows what it knows, or offers a retry', async (phone) => {
  await phone.sees('免费领取')
  phone.offline = true
  await phone.start()
  await phone.sees(/网络不可用.*\s更新于 20/)
  await phone.sees('示例小店')
  phone.offline = false
  await take(phone)
  phone.offline = true
  await phone.start({ path: member })
  await phone.sees(/网络不可用.*\s更新于 20/)
  await phone.sees('使用中')
  phone.offline = false
  await phone.sees('暂无明细')
  await phone.page.evaluate(() => localStorage.clear())
  phone.offline = true
  await phone.start()
  await phone.tap('重试')
  await phone.sees('网络不可用')
  phone.offline = false
  await phone.tap('重试')
  await phone.sees('查看我的会员卡')
})

journey('a deleted card is restored with its number and points', async (phone, cardId) => {
  await take(phone)
  const [card] = await phone.wallet()
  await world.admin('POST', `/v1/cards/${cardId}/codes/${card!.code}/entries`, { add_bonus: 88 })
  await until(async () => (await phone.wallet())[0]?.bonus === 88, 'the bonus in the wallet')
  await world.sim('POST', `/_sim/phones/${phone.user}/delete-card`, { card_id: cardId, code: card!.code })
  await until(async () => {
    await phone.pullDown()
    return phone.shows('已从卡包删除')
  }, 'the deletion')
  await phone.sees('+88 积分')
  await phone.tap('恢复会员卡')
  await phone.on(index)
  assert.equal(await phone.page.evaluate(() => getCurrentPages().length), 1, 'the page below')
  await phone.sees('你曾删除此卡')
  await phone.tap('恢复会员卡')
  await phone.on(member)
  await phone.sees('使用中')
  const [restored] = await phone.wallet()
  assert.equal(restored?.code, card!.code)
  assert.equal(restored.status, 'NORMAL')
  await phone.sees('+88 积分')
})

journey('a long history is loaded page by page', async (phone, cardId) => {
  await take(phone)
  const [card] = await phone.wallet()
  for (let n = 1; n <= 25; n++) {
    await world.admin('POST', `/v1/cards/${cardId}/codes/${card!.code}/entries`, {
      add_bonus: n,
      record_bonus: `第${n}笔`,
    })
  }
  await phone.pullDown()
  await phone.sees('第25笔')
  assert.equal(await phone.shows('第5笔'), false)
  phone.offline = true
  await phone.page.evaluate(() => window.host.reachBottom())
  await phone.sees('网络不可用')
  phone.offline = false
  await phone.tap('重试')
  await phone.sees('第1笔')
  await phone.sees('没有更多了')
})

test('without a card, 我的会员卡 leads to 领取会员卡', async () => {
  const cardId = await world.createCard()
  await follow(
    async (phone) => {
      await phone.sees('暂无会员卡')
      await phone.tap('去领取')
      await phone.on(index)
      await take(phone)
    },
    cardId,
    { launch: { path: member } },
  )
})

test('without a card_id the first page says what is missing', async () => {
  await follow(
    async (phone) => {
      await phone.sees('未找到会员卡')
      // Developers find the reason in the console.
      assert.match(phone.errors.splice(0).join(), /cardId in config\.ts/)
    },
    '',
    { query: {}, settings: { envVersion: 'release' } },
  )
})

test('the scene of a mini-program code names the card', async () => {
  const cardId = await world.createCard()
  assert.ok(`${cardId},t7`.length <= 32, 'a scene has at most 32 characters')
  const scene = encodeURIComponent(`${cardId},t7`)
  await follow(
    async (phone) => {
      await take(phone)
      const [card] = await phone.wallet()
      assert.equal((card as unknown as { outer_str: string }).outer_str, 't7')
    },
    cardId,
    { query: { scene } },
  )
})

test('the types match the server’s API', async () => {
  const document = (await (await fetch(`${world.baseUrl}/openapi.json`)).json()) as Document
  const kept = await readFile(new URL('../../src/services/api.ts', import.meta.url), 'utf8')
  assert.equal(kept, format(document), 'the API has changed: npm run types')
})

test('in English', async () => {
  const cardId = await world.createCard()
  await follow(
    async (phone) => {
      await phone.tap('Get the card')
      await phone.on(member)
      await phone.sees('Active')
      await phone.tap('Open the wallet')
    },
    cardId,
    { language: 'en' },
  )
})
