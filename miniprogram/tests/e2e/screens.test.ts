/** The look of every page, light and dark, with standard and large text; takes the pictures for the documentation. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { launchBrowser, TestPhone, type PhoneOptions } from './phone.ts'
import { screenshot } from './screens.ts'
import { startWorld, until, type World } from './world.ts'

let world: World
let browser: Browser
let cardId: string

before(async () => {
  ;[world, browser] = await Promise.all([startWorld(), launchBrowser()])
  cardId = await world.createCard()
})
after(async () => {
  await browser?.close()
  await world?.stop()
})

async function open(user: string, options: PhoneOptions = {}): Promise<TestPhone> {
  return TestPhone.open(browser, world, user, { query: { card_id: cardId }, ...options })
}

/** Takes the card and fills its history. */
async function fill(phone: TestPhone): Promise<void> {
  await phone.tap('立即领取')
  await phone.sees('使用中')
  const [card] = await phone.wallet()
  const path = `/v1/cards/${cardId}/codes/${card!.code}`
  await world.admin('POST', `${path}/entries`, { add_balance: 20_000, record_balance: '储值200元' })
  await world.admin('POST', `${path}/entries`, { add_bonus: 1288, record_bonus: '开卡礼' })
  await world.admin('POST', `${path}/entries`, {
    add_bonus: 38,
    add_balance: -3850,
    record_bonus: '拿铁两杯',
  })
  await world.admin('PUT', `${path}/fields`, { custom_field1: '金卡' })
  await phone.pullDown()
  await phone.sees('拿铁两杯')
  await settled(phone)
}

/** Waits until pictures are loaded and nothing moves. */
async function settled(phone: TestPhone): Promise<void> {
  await phone.page.waitForFunction(
    () =>
      document.querySelectorAll('.pull.open').length === 0 &&
      [...document.querySelectorAll('image')].every((image) => image.style.backgroundImage !== ''),
  )
}

/** Checks that nothing is wider than the screen and that buttons are large enough. */
async function checkLayout(phone: TestPhone): Promise<void> {
  const found = await phone.top().evaluate((page) => {
    const wide = [...page.querySelectorAll('*')]
      .filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5 || e.scrollWidth > e.clientWidth + 1)
      .filter((e) => getComputedStyle(e).display !== 'inline' && e.clientWidth > 0)
      .map((e) => `${e.tagName}.${e.className} is too wide`)
    const small = [...page.querySelectorAll('button')]
      .filter((e) => e.getBoundingClientRect().height < 44)
      .map((e) => `button ${e.textContent} is too small`)
    return [...wide, ...small]
  })
  assert.deepEqual(found, [])
}

/** Checks the contrast between text and background, as WCAG defines it. */
async function checkContrast(phone: TestPhone): Promise<void> {
  const faint = await phone.top().evaluate((page) => {
    type Colour = [number, number, number, number]
    const parse = (text: string): Colour => {
      const [r = 0, g = 0, b = 0, a = 1] = (/\((.*)\)/.exec(text)?.[1] ?? '').split(/[ ,/]+/).map(Number)
      return [r, g, b, a]
    }
    const over = (top: Colour, below: Colour): Colour =>
      [0, 1, 2].map((i) => top[i]! * top[3] + below[i]! * (1 - top[3])).concat(1) as Colour
    const luminance = (c: Colour) => {
      const [r, g, b] = c
        .slice(0, 3)
        .map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4))
      return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!
    }
    const behind = (e: Element): Colour => {
      const own = parse(getComputedStyle(e).backgroundColor)
      return own[3] >= 1 || !e.parentElement ? own : over(own, behind(e.parentElement))
    }
    const results: string[] = []
    for (const e of page.querySelectorAll('view, button')) {
      const text = [...e.childNodes]
        .filter((n) => n.nodeType === 3)
        .map((n) => n.textContent!.trim())
        .join('')
      // Not checked: text of the card, on a shaded picture, and of buttons, in WeChat's green.
      if (!text || e.closest('member-card') || e.matches('.button')) continue
      const ground = behind(e)
      const ink = over(parse(getComputedStyle(e).color), ground)
      const [light, dark] = [luminance(ink), luminance(ground)].toSorted((a, b) => b - a)
      const ratio = (light! + 0.05) / (dark! + 0.05)
      if (ratio < 4.5) results.push(`${text}: ${ratio.toFixed(2)}`)
    }
    return results
  })
  assert.deepEqual(faint, [])
}

/** Returns the texts of those elements that have more than one line. */
const broken = (phone: TestPhone, selector: string): Promise<(string | null)[]> =>
  phone
    .top()
    .locator(selector)
    .evaluateAll((found) =>
      found
        .filter((e) => e.clientHeight > 1.8 * parseFloat(getComputedStyle(e).fontSize))
        .map((e) => e.textContent),
    )

for (const colorScheme of ['light', 'dark'] as const) {
  test(`both pages, ${colorScheme}`, async () => {
    const phone = await open(`shown-${colorScheme}`, { colorScheme })
    await phone.sees('立即领取')
    await settled(phone)
    await checkLayout(phone)
    await checkContrast(phone)
    await screenshot(phone.page, `take-${colorScheme}`)
    await fill(phone)
    await checkLayout(phone)
    await checkContrast(phone)
    await screenshot(phone.page, `member-${colorScheme}`)
    await phone.close()
  })
}

for (const language of ['zh_CN', 'en']) {
  test(`the largest text fits, ${language}`, async () => {
    const phone = await open(`large-${language}`, { textScale: 1.44, language })
    await phone.tap(language === 'en' ? 'Get the card' : '立即领取')
    await phone.sees(language === 'en' ? 'Active' : '使用中')
    const path = `/v1/cards/${cardId}/codes/${(await phone.wallet())[0]!.code}`
    await world.admin('POST', `${path}/entries`, {
      add_bonus: 1_234_567,
      add_balance: 12_345_678,
      record_bonus: '生日当月双倍积分活动赠送',
    })
    await world.admin('PUT', `${path}/fields`, { custom_field1: '黑金会员' })
    await phone.pullDown()
    await phone.sees('黑金会员')
    await settled(phone)
    await checkLayout(phone)
    for (const part of ['.amount', '.value', '.time'])
      assert.deepEqual(await broken(phone, part), [], 'in one line')
    await phone.back()
    await phone.sees(language === 'en' ? 'View my card' : '查看我的会员卡')
    await checkLayout(phone)
    await phone.close()
  })
}

test('a skeleton in the shape of the page while it loads', async () => {
  let release: (() => void) | undefined
  const held = new Promise<void>((go) => (release = go))
  const phone = await open('waiting', {
    before: (path) => (path.startsWith('/v1/cards/') ? held : undefined),
  })
  await phone.top().getByLabel('加载中').waitFor()
  assert.equal(await phone.top().locator('.skeleton').count(), 3)
  release!()
  await phone.sees('立即领取')
  await phone.close()
})

test('the texts for screen readers', async () => {
  const phone = await open('reader')
  await fill(phone)
  const [card] = await phone.wallet()
  await phone
    .top()
    .getByRole('img', { name: `示例小店 金卡会员 使用中 ${card!.code}` })
    .waitFor()
  await phone.top().getByLabel('积分 1,326').waitFor()
  await phone.top().getByLabel('余额（元） 161.50').waitFor()
  assert.equal(await phone.top().getByRole('listitem').count(), 3)
  await phone.close()
})

test('a card without pictures, or with broken ones, is shown in its colour', async () => {
  const plain = await world.createCard((card) => {
    delete card.background_pic_url
    card.base_info.logo_url = 'http://127.0.0.1:9/gone.png'
    card.base_info.color = 'Color010'
  })
  const phone = await open('plain', { query: { card_id: plain } })
  await phone.sees('立即领取')
  await until(
    async () => (await phone.top().locator('image').count()) === 0,
    'the removal of the broken logo',
  )
  const card = phone.top().getByRole('img').first()
  assert.equal(await card.evaluate((e) => getComputedStyle(e).backgroundColor), 'rgb(99, 179, 89)')
  // The browser logs the missing picture; there are no other errors.
  assert.deepEqual(
    phone.errors.splice(0).filter((error) => !error.includes('Failed to load resource')),
    [],
  )
  await phone.close()
})

test('an empty page differs from a failed one', async () => {
  const phone = await open('newcomer', { launch: { path: 'pages/member/member' } })
  await phone.sees('暂无会员卡')
  await checkLayout(phone)
  phone.offline = true
  await phone.start({ path: 'pages/member/member' })
  await phone.top().getByRole('alert').getByText('加载失败').waitFor()
  await checkLayout(phone)
  phone.offline = false
  await phone.tap('重试')
  await phone.sees('暂无会员卡')
  await until(() => phone.errors.length === 0, 'no errors')
  await phone.close()
})
