/** Journeys with the member's code, which is read from the screen as a scanner at the till does. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Picture } from '../../src/barcode/picture.ts'
import { randomCodes } from '../codes.ts'
import { decode } from '../decoder.ts'
import { browser, code, follow, journey, take, world } from './journey.ts'
import type { TestPhone } from './phone.ts'
import { until } from './world.ts'

/** The pages of the mini-program, in the tested page. */
declare const getCurrentPages: () => {
  draw(code: string): void
  data: { drawn: { bars: Picture; qr: Picture } }
}[]

/** The time of today at which the card was loaded; a remembered one has a date. */
const fresh = /更新于 \d\d:/

/** Reads what the screen shows. */
const scan = async (phone: TestPhone) => decode(await phone.page.screenshot())

/** Books points as a cashier does, who types or scans a code at the till of the console. */
async function bookAtTill(scanned: string, points: number): Promise<void> {
  const { id } = await world.admin<{ id: string }>('POST', '/v1/staff', { name: '小李', role: 'cashier' })
  const { secret } = await world.admin<{ secret: string }>('POST', `/v1/staff/${id}/link`)
  const till = await browser.newPage({ locale: 'zh-CN' })
  await till.goto(`${world.adminUrl}/login?link=${secret}`)
  await till.locator('main button').click()
  await till.locator('#query').fill(scanned)
  await till.locator('#query').press('Enter')
  await till.locator('[data-face] [name=points]').fill(String(points))
  await till.locator('[data-face] [name=points]').press('Enter')
  await till.locator('.result').getByText(`+${points} → ${points}`).waitFor()
  await till.close()
}

journey('the till reads the code from the screen, and the points appear there', async (phone) => {
  await take(phone)
  await phone.page.clock.install()
  await phone.start()
  await phone.tap('出示会员码')
  await phone.top().getByLabel('积分 0').waitFor()
  const [card] = await phone.wallet()
  const read = await scan(phone)
  assert.deepEqual(read, { QRCode: card!.code })
  await bookAtTill(read.QRCode!, 30)
  const before = phone.count('GET', '/v1/me')
  await phone.page.clock.fastForward(15_000)
  await phone.top().getByLabel('积分 30').waitFor()
  assert.equal(phone.count('GET', '/v1/me'), before + 1, 'the page asks every 15 seconds')

  phone.offline = true
  await phone.page.clock.fastForward(15_000)
  await phone.sees('网络不可用')
  phone.offline = false
  await phone.page.clock.fastForward(15_000)
  assert.equal(phone.count('GET', '/v1/me'), before + 1, 'less often after a failure')
  await phone.page.clock.fastForward(15_000)
  await phone.sees(fresh)

  const shown = phone.count('GET', '/v1/me')
  await phone.back()
  await phone.sees('查看我的会员卡')
  await phone.page.clock.fastForward(120_000)
  await phone.tap('出示会员码')
  await phone.on(code)
  await phone.sees(fresh)
  assert.equal(phone.count('GET', '/v1/me'), shown + 2, 'one by each page, and none while hidden')
})

journey('the screen is bright while the code is shown, also after a crash', async (phone, cardId) => {
  const shown = (brightness: number, keptOn: boolean, when: string) =>
    until(() => phone.screen.brightness === brightness && phone.screen.keptOn === keptOn, when)
  await take(phone)
  await phone.tap('出示会员码')
  await shown(1, true, 'the bright screen')
  await phone.comeBack({ scene: 1001 }) // WeChat may call onShow without an onHide before
  await phone.sees(fresh)
  await phone.tap('打开卡包') // hides the page, and shows it again
  await until(() => phone.called('openCard').length === 1, 'wx.openCard')
  const set = () => phone.called('setScreenBrightness').map((o) => (o as { value: number }).value)
  await until(() => set().join(' ') === '1 1 0.4 1', 'the brightness under the wallet')
  await phone.start({ path: code, query: { card_id: cardId } }) // as after a crash: without onUnload
  await phone.sees(fresh)
  await shown(1, true, 'the bright screen again')
  await phone.start()
  await shown(0.4, false, 'the brightness from before the crash')
})

journey(
  'without a network the last look is shown, with its time',
  async (phone, cardId) => {
    await take(phone)
    phone.offline = true
    await phone.start({ path: code, query: { card_id: cardId } })
    await phone.sees(/网络不可用，请检查网络后重试\s更新于 20/)
    const [card] = await phone.wallet()
    assert.deepEqual(await scan(phone), { QRCode: card!.code })
    await phone.tap('复制')
    await phone.tap('同意') // WeChat asks before the first copy
    await until(() => phone.clipboard === card!.code, 'the code without spaces')

    phone.offline = false
    await world.sim('POST', `/_sim/phones/${phone.user}/delete-card`, { card_id: cardId, code: card!.code })
    await until(async () => {
      await phone.comeBack({ scene: 1001 })
      return phone.shows('已从卡包删除')
    }, 'the deletion')
    assert.deepEqual(await scan(phone), {})
    phone.offline = true
    await phone.start({ path: code, query: { card_id: cardId } })
    await phone.sees('加载失败')
  },
  { settings: { privacyAgreed: false } },
)

test('the card’s code_type says what is shown', async () => {
  let codeType = ''
  const tamper = (path: string, body: string) =>
    path.startsWith('/v1/cards/') ? body.replace(/"code_type":"\w*"/, `"code_type":"${codeType}"`) : body
  await follow(
    async (phone, cardId) => {
      await take(phone)
      const [card] = await phone.wallet()
      const characters = card!.code.replace(/(.{4})(?=.)/g, '$1 ')
      for (const [name, kinds, shown] of [
        ['TEXT', [], true],
        ['BARCODE', ['Code128'], true],
        ['QRCODE', ['QRCode'], true],
        ['ONLY_BARCODE', ['Code128'], false],
        ['ONLY_QRCODE', ['QRCode'], false],
        ['NONE', [], false],
        ['NEW', ['Code128', 'QRCode'], true],
      ] as const) {
        codeType = `CODE_TYPE_${name}`
        await phone.start({ path: code, query: { card_id: cardId } })
        await phone.sees(fresh)
        const read = Object.fromEntries(kinds.map((kind) => [kind, card!.code]))
        assert.deepEqual(await scan(phone), read, name)
        assert.equal(await phone.shows(characters), shown, name)
        assert.equal(await phone.shows('此卡不显示会员码'), name === 'NONE')
      }
    },
    await world.createCard(),
    { tamper },
  )
})

/** Draws another code on the page, and waits for its pictures. */
const draw = (phone: TestPhone, text: string) =>
  phone.page.evaluate(async (drawn) => {
    const page = getCurrentPages().at(-1)!
    page.draw(drawn)
    const shown = () => {
      const images = document.querySelectorAll<HTMLElement>('.paper image')
      const { bars, qr } = page.data.drawn
      return [bars, qr].every(({ src }, i) => images[i]!.style.backgroundImage.includes(src))
    }
    while (!shown()) await new Promise(requestAnimationFrame)
  }, text)

/** Returns a function that takes a picture of the element in device pixels, with less work than a screenshot of Playwright. */
async function camera(phone: TestPhone, selector: string, ratio: number): Promise<() => Promise<Buffer>> {
  const session = await phone.page.context().newCDPSession(phone.page)
  return async () => {
    const clip = { ...(await phone.top().locator(selector).boundingBox())!, scale: ratio }
    const options = { format: 'png', clip, optimizeForSpeed: true } as const
    return Buffer.from((await session.send('Page.captureScreenshot', options)).data, 'base64')
  }
}

/** Each code is read from one screen, and the widest from all of them. EVERY_SCREEN=1 reads all from all. */
const everyScreen = Boolean(process.env.EVERY_SCREEN)
const widest = 'w'.repeat(20)
const screens = [320, 360, 375, 390, 414].flatMap((width) =>
  (['light', 'dark'] as const).map((colorScheme) => ({ width, colorScheme })),
)

for (const ratio of [2, 3]) {
  journey(
    `codes of 1 to 20 characters are read from the screen, ${ratio} device pixels per px`,
    async (phone, cardId) => {
      await take(phone)
      await phone.start({ path: code, query: { card_id: cardId } })
      await phone.sees(fresh)
      phone.offline = true // or the page would draw the member's code again
      const shoot = await camera(phone, '.paper', ratio)
      const codes = randomCodes(100).filter((_, i) => everyScreen || i % 2 === ratio % 2)
      for (const [n, { width, colorScheme }] of screens.entries()) {
        await phone.page.emulateMedia({ colorScheme })
        await phone.page.setViewportSize({ width, height: 812 })
        const here = codes.filter((_, i) => everyScreen || i % screens.length === n)
        for (const text of [...here, widest]) {
          await draw(phone, text)
          const read = await decode(await shoot())
          assert.deepEqual(read, { Code128: text, QRCode: text }, `${width} px, ${colorScheme}`)
        }
      }
    },
    // An unknown type is drawn in both ways.
    { ratio, tamper: (_, body) => body.replace(/"code_type":"\w*"/, '"code_type":""') },
  )
}
