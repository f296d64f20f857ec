/** The page of `npm start`, as the sandbox serves it to a developer's browser. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { buildPrograms, root } from '../../scripts/programs.ts'
import { buildSite } from '../../scripts/site.ts'
import { decode } from '../decoder.ts'
import { barriers } from './barriers.ts'
import { launchBrowser } from './phone.ts'
import { screenshot } from './screens.ts'
import { end, patience, started, startSandbox, until } from './world.ts'

let folder: string
let site: string
let browser: Browser
let sandbox: { url: string; process: ChildProcess }

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'addcard-sandbox-'))
  site = join(folder, 'site')
  const programs = await buildPrograms()
  await started([
    startSandbox(programs, ['--miniprogram', site]).then((it) => (sandbox = it)),
    launchBrowser().then((it) => (browser = it)),
  ])
})
after(async () => {
  await browser?.close()
  if (sandbox) await end(sandbox.process)
  await rm(folder, { recursive: true, force: true })
})

async function openPage(user: string): Promise<{ page: Page; errors: string[] }> {
  const context = await browser.newContext({
    viewport: { width: 960, height: 900 },
    locale: 'zh-CN',
    reducedMotion: 'reduce',
  })
  context.setDefaultTimeout(patience)
  const page = await context.newPage()
  const errors: string[] = []
  page.on('pageerror', (error) => errors.push(String(error)))
  await page.goto(`${sandbox.url}/_phone/?user=${user}`)
  return { page, errors }
}

test('before the build, the page says how to build it', async () => {
  const answer = await fetch(`${sandbox.url}/_phone/`)
  assert.equal(answer.status, 404)
  assert.match(await answer.text(), /npm ci && npm run build/)
  await buildSite(site)
  assert.equal((await fetch(`${sandbox.url}/_phone/`)).status, 200)
})

test('a card is taken, the till adds points, and wallet and messages show them', async () => {
  await buildSite(site)
  const { page, errors } = await openPage('hong')
  const mini = page.frameLocator('#mini')
  await page.getByText('卡包中暂无卡片').waitFor()

  await mini.getByRole('button', { name: '立即领取' }).click()
  await page.getByRole('dialog', { name: '领取会员卡到微信卡包' }).waitFor()
  for (const button of ['领取', '取消', '领取']) {
    await page.keyboard.press('Tab')
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), button)
  }
  await page.keyboard.press('Shift+Tab')
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), '取消')
  await page.keyboard.press('Escape')
  await mini.getByText('已取消').waitFor()
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'mini', 'the focus is back')
  await mini.getByRole('button', { name: '立即领取' }).click()
  await page.getByRole('dialog').getByRole('button', { name: '领取', exact: true }).click()
  await mini.getByText('使用中').waitFor()
  await page.locator('#wallet').getByText('使用中').waitFor()

  await page.getByRole('button', { name: '消费 30 元' }).click()
  await page.locator('#messages').getByText('消费30元').waitFor()
  await page.locator('#wallet').getByText('积分 30').waitFor()
  await page.getByRole('button', { name: '升级为金卡' }).click()
  await until(async () => {
    // Pull the page down with the mouse.
    await page.mouse.move(300, 400)
    await page.mouse.down()
    await page.mouse.move(300, 560, { steps: 4 })
    await page.mouse.up()
    return (await mini.getByText('金卡').count()) > 0
  }, 'the level after pulling down')
  await mini.getByText('+30 积分').waitFor()
  await screenshot(page, 'sandbox')

  await mini.getByRole('button', { name: '手机号 一键绑定' }).click()
  await mini.getByRole('button', { name: '同意' }).click()
  await page.getByRole('dialog').getByRole('button', { name: '允许' }).click()
  await mini.getByText('****').waitFor()

  await mini.getByRole('button', { name: '打开卡包' }).click()
  await page.getByRole('dialog').getByText('卡号').waitFor()
  const number = await page.locator('#wallet code').textContent()
  assert.deepEqual(await decode(await page.getByRole('dialog').screenshot()), { QRCode: number })
  await page.getByRole('dialog').getByRole('button', { name: '返回' }).click()

  await page.locator('#wallet').getByRole('button', { name: '删除' }).click()
  await page.locator('#wallet').getByText('已删除').waitFor()

  // Another user in the same browser is not signed in as this one.
  await page.goto(`${sandbox.url}/_phone/?user=fang`)
  await mini.getByText('免费领取').waitFor()
  assert.deepEqual(errors, [])
  await page.context().close()
})

test('a one-click card is taken through the component and its form', async () => {
  await buildSite(site)
  const { page, errors } = await openPage('mei')
  const mini = page.frameLocator('#mini')
  await page.getByRole('button', { name: '新建一键激活卡' }).click()
  await mini.getByRole('button', { name: '填写资料并激活' }).click()
  await page.getByRole('dialog').getByRole('button', { name: '返回' }).click()
  await mini.getByRole('button', { name: '填写资料并激活' }).click()
  await page.getByRole('dialog').getByLabel('姓名').fill('小美')
  await page.getByRole('dialog').getByRole('button', { name: '提交' }).click()
  await mini.getByText('使用中').waitFor()
  await page.locator('#wallet').getByText('一键激活会员卡').waitFor()
  await page.getByRole('button', { name: '充值 100 元' }).click()
  await page.locator('#wallet').getByText('余额 100.00').waitFor()
  assert.deepEqual(errors, [])
  await page.context().close()
})

test('a card whose form is in the wallet becomes active there', async () => {
  await buildSite(site)
  const { page, errors } = await openPage('lan')
  const mini = page.frameLocator('#mini')
  const dialog = page.getByRole('dialog')
  await page.getByRole('button', { name: '新建卡包激活卡' }).click()
  await mini.getByText('填写资料').waitFor()
  await mini.getByRole('button', { name: '立即领取' }).click()
  await dialog.getByRole('button', { name: '领取', exact: true }).click()
  await mini.getByRole('button', { name: '去卡包填写资料' }).click()
  await dialog.getByText('未激活').waitFor()
  await dialog.getByRole('button', { name: '填写资料' }).click()
  await dialog.getByRole('button', { name: '返回' }).click()
  await dialog.getByRole('button', { name: '填写资料' }).click()
  await dialog.getByLabel('姓名').fill('小兰')
  await dialog.getByRole('button', { name: '提交' }).click()
  await dialog.getByText('使用中').waitFor()
  assert.equal(await dialog.getByRole('button', { name: '填写资料' }).count(), 0)
  await dialog.getByRole('button', { name: '返回' }).click()
  await mini.getByText('使用中').waitFor()
  await page.locator('#wallet').getByText('使用中').waitFor()
  await page.getByRole('button', { name: '充值 100 元' }).click()
  await page.locator('#wallet').getByText('余额 100.00').waitFor()
  assert.deepEqual(errors, [])
  await page.context().close()
})

test('the page is usable on narrow screens, and the phone has the chosen size', async () => {
  await buildSite(site)
  const { page, errors } = await openPage('narrow')
  const mini = page.frameLocator('#mini')
  await mini.getByRole('button', { name: '立即领取' }).waitFor()
  for (const width of ['320', '430']) {
    await page.getByLabel('机型').selectOption(width)
    assert.equal((await page.locator('#mini').boundingBox())!.width, Number(width))
    assert.equal(new URL(page.url()).searchParams.get('width'), width)
  }
  await mini.getByRole('button', { name: '立即领取' }).click()
  for (const colorScheme of ['light', 'dark'] as const)
    for (const width of [320, 375]) {
      await page.emulateMedia({ colorScheme })
      await page.setViewportSize({ width, height: 700 })
      const wide = await page.evaluate(() => document.documentElement.scrollWidth)
      assert.ok(wide <= width, `${wide} on ${width}`)
      assert.deepEqual(await barriers(page), [], `${colorScheme}, ${width}`)
    }
  await page.getByRole('dialog').getByRole('button', { name: '领取', exact: true }).click()
  await mini.getByText('使用中').waitFor()
  assert.deepEqual(errors, [])
  await page.context().close()
})

test('the switches: no network, and an outage of WeChat', async () => {
  await buildSite(site)
  const { page } = await openPage('gang')
  const mini = page.frameLocator('#mini')
  await mini.getByRole('button', { name: '立即领取' }).waitFor()
  await page.getByLabel('手机断网').check()
  await mini.getByRole('button', { name: '立即领取' }).click()
  await mini.getByText('网络不可用').waitFor()
  await page.getByLabel('手机断网').uncheck()
  // The fault must be in force before the card is taken.
  const fault = page.waitForResponse((response) => response.url().endsWith('/_sim/faults'))
  await page.getByLabel('微信接口故障').check()
  await fault
  await mini.getByRole('button', { name: '立即领取' }).click()
  await page.getByRole('dialog').getByRole('button', { name: '领取', exact: true }).click()
  await mini.getByText('激活中').waitFor()
  await page.getByLabel('微信接口故障').uncheck()
  await page.locator('#wallet').getByText('使用中').waitFor()
  await page.context().close()
})

test('a new build reloads the page, a failed one is shown', async () => {
  await buildSite(site)
  const { page } = await openPage('li')
  await page.frameLocator('#mini').getByRole('button', { name: '立即领取' }).waitFor()
  const build = join(site, 'build.json')
  await writeFile(build, JSON.stringify({ stamp: 'other', error: 'index.wxml:3:1: unexpected' }))
  await page.getByRole('alert').getByText('index.wxml:3:1').waitFor()
  await page.evaluate(() => Object.assign(window, { old: true }))
  await writeFile(build, JSON.stringify({ stamp: 'newer' }))
  await until(() => page.evaluate(() => !('old' in window)).catch(() => false), 'the reload')
  await page.context().close()
})

test('npm start serves the page and rebuilds it when a source changes', async () => {
  const free = '127.0.0.1:0'
  const args = ['--listen', free, '--admin-listen', free, '--wechat-listen', free]
  const start = spawn(process.execPath, ['--import', 'tsx', 'scripts/start.ts', ...args], { cwd: root })
  let said = ''
  for (const stream of [start.stdout, start.stderr])
    stream.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const found = (line: RegExp) => {
    assert.equal(start.exitCode, null, said)
    return line.exec(said)?.[1]
  }
  try {
    await until(() => found(/^ {2}phone +(\S+)/m) !== undefined, 'the address of the page')
    const page = found(/^ {2}phone +(\S+)/m)!
    const stamp = async () => ((await (await fetch(`${page}build.json`)).json()) as { stamp: string }).stamp
    const before = await stamp()
    const source = join(root, 'src/texts.ts')
    await until(async () => {
      await utimes(source, new Date(), new Date())
      return (await stamp().catch(() => before)) !== before // the file may be incomplete
    }, 'the next build')
  } finally {
    await end(start)
  }
})

test('other sites cannot book points through the page', async () => {
  const answer = await fetch(`${sandbox.url}/_phone/operator/v1/cards/p/codes/1/entries`, {
    method: 'POST',
    headers: { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
  })
  assert.equal(answer.status, 403)
})

test('the built files name no other servers', async () => {
  await buildSite(site)
  for (const file of ['mini.js', 'shell.js', 'index.html', 'shell.css']) {
    const text = await readFile(join(site, file), 'utf8')
    assert.doesNotMatch(
      text,
      /https?:\/\/(?!127\.0\.0\.1|mmbiz|www\.w3\.org|(card(-test)?\.)?shop\.example|developers\.weixin)[a-z]/i,
      file,
    )
  }
})
