/** The look of every scene: light and dark, in both languages, at all widths, with standard and large text. Takes the pictures for the documentation. */
import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { barriers } from './barriers.ts'
import { launchBrowser, TestPhone, type PhoneOptions } from './phone.ts'
import { scenes, startStage, type Scene } from './scenes.ts'
import { screenshot } from './screens.ts'
import { started, until } from './world.ts'

declare const getCurrentPages: () => { data: { t: Record<string, string> }; setData(data: object): void }[]

const widths = [320, 360, 375, 390, 414, 430]
/** A folder for pictures of all scenes, to be looked at. */
const pictures = process.env.PICTURES

let browser: Browser
let stage: Awaited<ReturnType<typeof startStage>>

before(async () => {
  await started([startStage().then((it) => (stage = it)), launchBrowser().then((it) => (browser = it))])
})
after(async () => {
  await browser?.close()
  await stage?.stop()
})

/** What the phone shows before the first scene. */
const anyCard = { query: { card_id: 'take' } }

/** Opens the page of a scene in place of the one that is open. */
async function show(phone: TestPhone, { name, path, card, data, outcome }: Scene): Promise<void> {
  await phone.page.evaluate((url) => wx.redirectTo({ url }), `/${path}${card ? `?card_id=${name}` : ''}`)
  await phone.page.waitForFunction(
    (loading) =>
      document.querySelector('.screen, notice') !== null &&
      (document.querySelector('.skeleton') !== null) === loading &&
      [...document.querySelectorAll('image')].every((image) => image.style.backgroundImage !== ''),
    card === 'slow',
  )
  if (data) await phone.page.evaluate((set) => getCurrentPages().at(-1)!.setData(set), data)
  if (outcome)
    await phone.page.evaluate((text) => {
      const page = getCurrentPages().at(-1)!
      page.setData({ outcome: page.data.t[text] })
    }, outcome)
}

/** Returns what is wider than the screen, and the buttons that are too small for a thumb. */
const misfits = (phone: TestPhone): Promise<string[]> =>
  phone.top().evaluate((page) => {
    const wide = [...page.querySelectorAll('*')]
      .filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5 || e.scrollWidth > e.clientWidth + 1)
      .filter((e) => getComputedStyle(e).display !== 'inline' && e.clientWidth > 0)
      .map((e) => `${e.tagName}.${e.className} is too wide`)
    const small = [...page.querySelectorAll('button, [role=button]')]
      .filter((e) => e.getBoundingClientRect().height < 44)
      .map((e) => `button ${e.textContent} is too small`)
    return [...wide, ...small]
  })

async function picture(phone: TestPhone, name: string): Promise<void> {
  if (!pictures) return
  await mkdir(pictures, { recursive: true })
  const height = await phone.top().evaluate((page) => page.scrollHeight)
  const width = phone.page.viewportSize()!.width
  await phone.page.setViewportSize({ width, height: Math.max(700, height + 48) })
  await writeFile(join(pictures, `${name}-${width}.png`), await phone.page.screenshot())
  await phone.page.setViewportSize({ width, height: 812 })
}

test('every page has scenes', async () => {
  const app = JSON.parse(await readFile(resolve(import.meta.dirname, '../../src/app.json'), 'utf8')) as {
    pages: string[]
  }
  assert.deepEqual([...new Set(scenes.map((scene) => scene.path))].toSorted(), app.pages.toSorted())
})

for (const language of ['zh_CN', 'en'])
  test(`every scene, ${language}: no barrier, and nothing too wide`, async () => {
    // A released version has no card of its own: one of the scenes is a page that is opened without.
    const settings = { envVersion: 'release' as const }
    const phone = await TestPhone.open(browser, stage, 'anyone', { ...anyCard, language, settings })
    for (const scene of scenes) {
      await show(phone, scene)
      for (const colorScheme of ['light', 'dark'] as const) {
        await phone.page.emulateMedia({ colorScheme })
        await look(phone, scene, `${scene.name}-${language}-${colorScheme}`)
      }
      for (const scale of [1.4, 2]) {
        await size(phone, scale)
        for (const width of [320, 430])
          await fits(phone, scene, `${scene.name}-${language}-${scale}`, width, scale)
      }
      await size(phone, 1)
    }
    // The page that is opened without a card says so to the developer.
    assert.equal(phone.errors.filter((error) => error.startsWith('no card')).length, 1)
    phone.errors.splice(
      0,
      phone.errors.length,
      ...phone.errors.filter((error) => !error.startsWith('no card')),
    )
    await phone.close()
  })

/**
 * Checks a scene in one theme, of which only the light one is shown at all widths. Barriers are searched at the
 * narrowest or the widest: each language has light at one of them, and dark at the other.
 */
async function look(phone: TestPhone, scene: Scene, name: string): Promise<void> {
  const order = /zh_CN-light|en-dark/.test(name) ? widths.toReversed() : widths
  for (const width of name.endsWith('light') ? order : order.slice(-1)) await fits(phone, scene, name, width)
  assert.deepEqual(await barriers(phone.page), [], name)
}

async function fits(phone: TestPhone, scene: Scene, name: string, width: number, scale = 1): Promise<void> {
  await phone.page.setViewportSize({ width, height: 812 })
  if (scene.path.endsWith('code')) {
    await show(phone, scene) // codes are drawn for the width
    await size(phone, scale) // a page that is opened sets the phone's own
  }
  assert.deepEqual(await misfits(phone), [], `${name}, ${width}`)
  if (width === 320 || width === 430) await picture(phone, name)
}

/** Runs act on a phone that shows a scene. */
function looking(
  what: string,
  name: string,
  act: (phone: TestPhone) => Promise<void>,
  options?: PhoneOptions,
): void {
  test(what, async () => {
    const phone = await TestPhone.open(browser, stage, 'anyone', { ...anyCard, ...options })
    await show(
      phone,
      scenes.find((scene) => scene.name === name)!,
    )
    await act(phone)
    await phone.close()
  })
}

for (const colorScheme of ['light', 'dark'] as const)
  for (const page of ['take', 'member'])
    looking(
      `the picture of ${page}, ${colorScheme}`,
      page === 'take' ? 'take-short' : page,
      (phone) => screenshot(phone.page, `${page}-${colorScheme}`),
      { colorScheme },
    )

looking('a card has the shape of a bank card, and is not larger than one looks', 'take', async (phone) => {
  const card = phone.top().locator('.components-member-card-member-card--card')
  for (const width of [320, 430, 900]) {
    await phone.page.setViewportSize({ width, height: 812 })
    const box = (await card.boundingBox())!
    assert.ok(Math.abs(box.width / box.height - 85.6 / 54) < 0.01, `${box.width} by ${box.height}`)
    assert.equal(box.width, Math.min(width - 32, 420))
    assert.equal(box.x, (width - box.width) / 2)
  }
})

looking('white text is legible on a white picture, in every size', 'member-long', async (phone) => {
  for (const scale of [1, 2]) {
    await size(phone, scale)
    for (const part of ['brand', 'title', 'status', 'number']) {
      const text = phone.top().locator(`.components-member-card-member-card--${part}`)
      const box = await text.evaluate((e) => {
        e.style.color = 'transparent'
        const range = document.createRange()
        range.selectNodeContents(e)
        const { x, y, width, height } = range.getBoundingClientRect()
        return { x, y, width, height }
      })
      const behind = await brightest(phone, box)
      assert.ok(behind <= 119, `${part}, ${scale}: white is on ${behind}`)
    }
  }
})

looking('a long title does not cover the number', 'member-long', async (phone) => {
  await phone.page.setViewportSize({ width: 320, height: 812 })
  await size(phone, 2)
  const part = (name: string) =>
    phone.top().locator(`.components-member-card-member-card--${name}`).boundingBox()
  const [card, top, number] = await Promise.all(['card', 'top', 'number'].map(part))
  assert.ok(top!.y + top!.height <= number!.y)
  assert.ok(number!.y + number!.height <= card!.y + card!.height)
})

looking('a title is not cut inside a word while the card has room', 'member', async (phone) => {
  await phone.page.setViewportSize({ width: 320, height: 812 })
  await phone.page.evaluate(() => {
    getCurrentPages().at(-1)!.setData({ 'face.title': 'Premium Membership', status: 'Not activated' })
  })
  await phone.sees('Premium Membership')
  const title = phone.top().locator('.components-member-card-member-card--title')
  const lines = await title.evaluate((e) => {
    const range = document.createRange()
    range.selectNodeContents(e)
    return range.getClientRects().length
  })
  assert.equal(lines, 2)
})

looking('figures are in line, however long their names', 'member', async (phone) => {
  await phone.page.setViewportSize({ width: 320, height: 812 })
  await phone.page.evaluate(() =>
    getCurrentPages().at(-1)!.setData({ 'figures[1].name': 'Balance in yuan (CNY)' }),
  )
  await phone.sees('Balance in yuan (CNY)')
  const tops = await phone
    .top()
    .locator('.value')
    .evaluateAll((all) => all.map((e) => e.getBoundingClientRect().top))
  assert.equal(new Set(tops).size, 1, tops.join(' '))
})

looking('large figures stay in one line', 'member-long', async (phone) => {
  await size(phone, 1.44)
  for (const part of ['.amount', '.value', '.time']) {
    const lines = await phone
      .top()
      .locator(part)
      .evaluateAll((all) => all.map((e) => e.clientHeight / parseFloat(getComputedStyle(e).fontSize)))
    assert.ok(lines.length > 0 && Math.max(...lines) < 1.8, part)
  }
})

looking('long terms are folded, and unfold', 'take', async (phone) => {
  const terms = phone.top().getByText('每消费一元积一分')
  await terms.waitFor()
  const cut = () => terms.evaluate((e) => e.scrollHeight > e.clientHeight + 1)
  const more = phone.top().getByRole('button', { name: '展开', expanded: false })
  assert.equal(await cut(), true)
  await more.tap()
  await phone.top().getByRole('button', { name: '收起', expanded: true }).waitFor()
  await terms.waitFor()
  assert.equal(await cut(), false)
  await phone.tap('收起')
  await more.waitFor()
})

looking('short terms are not folded', 'take-short', async (phone) => {
  await phone.sees('本卡仅限本人使用')
  assert.equal(await phone.shows('展开'), false)
})

looking(
  'there is more to unfold on the widest phone, too, in Chinese and in English',
  'take',
  async (phone) => {
    await phone.page.setViewportSize({ width: 430, height: 812 })
    const sentence = 'Points stay valid for two years and are not exchanged for cash. '
    for (const terms of ['积分不兑换现金。'.repeat(12).slice(0, 89), sentence.repeat(3).slice(0, 178)]) {
      await phone.page.evaluate((description) => {
        getCurrentPages().at(-1)!.setData({ 'face.description': description })
      }, terms)
      const shown = phone.top().getByText(terms.slice(0, 16))
      await phone.sees('展开')
      assert.equal(await shown.evaluate((e) => e.scrollHeight > e.clientHeight + 1), true, terms)
    }
  },
)

looking(
  'the words above a barcode leave it the light space that a scanner needs',
  'code-form',
  async (phone) => {
    const words = await phone
      .top()
      .getByText('待激活')
      .evaluate((e) => {
        const range = document.createRange()
        range.selectNodeContents(e)
        return range.getBoundingClientRect().bottom
      })
    const bars = (await phone.top().locator('.bars').boundingBox())!
    assert.ok(bars.y - words >= 12, `${bars.y - words} px`)
  },
)

looking('the shop is called', 'take', async (phone) => {
  await phone.top().getByRole('button', { name: '联系商家' }).tap()
  await until(() => phone.called('makePhoneCall').length === 1, 'wx.makePhoneCall')
  assert.deepEqual(phone.called('makePhoneCall'), [{ phoneNumber: '400-820-8820' }])
})

looking('a figure with a link gives the link', 'member', async (phone) => {
  await phone.top().getByLabel('积分 1,326').tap()
  await phone.top().getByRole('button', { name: '等级 金卡' }).tap()
  await until(() => phone.called('showToast').length === 1, 'wx.showToast')
  assert.deepEqual(phone.called('setClipboardData'), [{ data: 'https://shop.example/level' }])
})

looking(
  'a card without a picture, or with a broken logo, is shown in its colour',
  'take-plain',
  async (phone) => {
    await until(async () => (await phone.top().locator('image').count()) === 0, 'no broken logo')
    const card = phone.top().getByRole('img').first()
    assert.equal(await card.evaluate((e) => getComputedStyle(e).backgroundColor), 'rgb(99, 128, 26)')
  },
)

looking('light runs over a card that becomes usable, not over one that is', 'member', async (phone) => {
  const glint = phone.top().locator('.components-member-card-member-card--glint')
  const become = (status: string) =>
    phone.page.evaluate((to) => getCurrentPages().at(-1)!.setData({ status: to }), status)
  assert.equal(await glint.count(), 0)
  await become('激活中')
  await become('使用中')
  assert.equal(await glint.count(), 1)
  assert.equal(await glint.isVisible(), false, 'the user wants no motion')
})

looking('a button shows that it is pressed', 'take', async (phone) => {
  const button = phone.top().getByRole('button', { name: '立即领取' })
  const pressed = () => button.evaluate((e) => e.classList.contains('button-pressed'))
  await button.dispatchEvent('pointerdown', { bubbles: true })
  assert.equal(await pressed(), true)
  await button.dispatchEvent('pointerup', { bubbles: true })
  assert.equal(await pressed(), false)
})

looking('a skeleton in the shape of the page while it loads', 'take-loading', async (phone) => {
  await phone.top().getByLabel('加载中').waitFor()
  assert.equal(await phone.top().locator('.skeleton').count(), 3)
  for (const width of [320, 900]) {
    await phone.page.setViewportSize({ width, height: 812 })
    const card = (await phone.top().locator('.skeleton-card').boundingBox())!
    assert.equal(card.width, Math.min(width - 32, 420))
    assert.ok(Math.abs(card.width / card.height - 85.6 / 54) < 0.01, `${card.width} by ${card.height}`)
  }
})

looking('the texts for screen readers', 'member', async (phone) => {
  await phone.top().getByRole('img', { name: '示例小店 金卡会员 使用中 1234567890123456' }).waitFor()
  await phone.top().getByLabel('余额（元） 161.50').waitFor()
  assert.equal(await phone.top().getByRole('listitem').count(), 4)
})

looking('an empty page differs from a failed one', 'member-none', async (phone) => {
  await phone.sees('暂无会员卡')
  phone.offline = true
  await phone.start({ path: 'pages/member/member', query: { card_id: 'member-none' } })
  await phone.top().getByRole('alert').getByText('加载失败').waitFor()
  phone.offline = false
  await phone.tap('重试')
  await phone.sees('暂无会员卡')
})

/** Sets the text size, of which 1 is the standard. */
const size = (phone: TestPhone, scale: number) =>
  phone.page.evaluate((to) => {
    document.documentElement.style.fontSize = `${16 * to}px`
  }, scale)

/** Returns the largest value of a colour channel in a part of the screen. */
async function brightest(
  phone: TestPhone,
  clip: { x: number; y: number; width: number; height: number },
): Promise<number> {
  const png = (await phone.page.screenshot({ clip })).toString('base64')
  return phone.page.evaluate(async (data) => {
    const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${data}`)).blob())
    const context = new OffscreenCanvas(image.width, image.height).getContext('2d')!
    context.drawImage(image, 0, 0)
    const { data: rgba } = context.getImageData(0, 0, image.width, image.height)
    return rgba.reduce((most, value, i) => (i % 4 === 3 ? most : Math.max(most, value)), 0)
  }, png)
}
