import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { ApiError, request, send, signIn } from '../../src/services/http.ts'
import { fakeWx, problem, signsIn, type FakeRequest, type FakeWx } from './fake.ts'

let wx: FakeWx
beforeEach(() => {
  wx = fakeWx()
})

const me = { method: 'GET', path: '/v1/me' } as const
const bearer = (request: FakeRequest) => request.header.authorization

async function failure(call: Promise<unknown>): Promise<ApiError> {
  try {
    await call
  } catch (error) {
    assert.ok(error instanceof ApiError, String(error))
    return error
  }
  assert.fail('it did not fail')
}

test('concurrent first requests share one login', async () => {
  wx.server = signsIn((r) => ({ data: bearer(r) }))
  const answers = await Promise.all([request(me), request(me), request(me)])
  assert.deepEqual(answers, ['Bearer token-1', 'Bearer token-1', 'Bearer token-1'])
  assert.equal(wx.logins, 1)
})

test('a session is stored, and not used beyond its end', async () => {
  wx.server = signsIn((r) => ({ data: bearer(r) }))
  await request(me)
  await request(me)
  assert.equal(wx.logins, 1)
  const kept = wx.storage.get('addcard.session') as { token: string; expiresAt: number }
  wx.storage.set('addcard.session', { ...kept, expiresAt: Date.now() + 5_000 })
  assert.equal(await request(me), 'Bearer token-2', 'a token that is about to expire is not used')
})

test('the tourist mode of DevTools has no code: the sandbox accepts its text, other servers do not', async () => {
  wx.login = () => Promise.resolve({ code: 'the code is a mock one', errMsg: 'login:ok' })
  wx.server = () => problem(401, 'login_code_invalid')
  assert.equal((await failure(request(me))).code, 'tourist')
  wx.server = signsIn((r) => ({ data: bearer(r) }))
  assert.equal(await request(me), 'Bearer token-1')
})

test('an invalid session: one login for all requests, and each is repeated once', async () => {
  wx.server = signsIn((r) =>
    bearer(r) === 'Bearer token-1' ? problem(401, 'session_invalid') : { data: 'ok' },
  )
  await signIn()
  assert.deepEqual(await Promise.all([request(me), request(me), request(me)]), ['ok', 'ok', 'ok'])
  assert.equal(wx.logins, 2)
})

test('a late 401 for a token that was renewed meanwhile causes no login', async () => {
  let late: (() => void) | undefined
  wx.server = signsIn((r) => {
    if (bearer(r) !== 'Bearer token-1') return { data: 'ok' }
    if (late) return problem(401, 'session_invalid')
    return new Promise((answer) => {
      late = () => answer(problem(401, 'session_invalid'))
    })
  })
  await signIn()
  const slow = request(me)
  await request(me)
  assert.equal(wx.logins, 2)
  late!()
  assert.equal(await slow, 'ok')
  assert.equal(wx.logins, 2, 'the new token is used')
})

test('a request is repeated only once after a 401', async () => {
  wx.server = signsIn(() => problem(401, 'session_invalid'))
  assert.equal((await failure(request(me))).code, 'session_invalid')
  assert.equal(wx.asked().filter((path) => path === 'GET /v1/me').length, 2)
})

test('other refusals are not repeated', async () => {
  wx.server = signsIn(() => problem(409, 'card_not_claimable'))
  assert.equal((await failure(request(me))).code, 'card_not_claimable')
  assert.equal(wx.asked().filter((path) => path === 'GET /v1/me').length, 1)
})

test('a failed login fails all waiting requests, and the next request tries again', async () => {
  let down = true
  const works = signsIn(() => ({ data: 'ok' }))
  wx.server = (r) => (down ? problem(503, 'wechat_unavailable') : works(r))
  const both = await Promise.allSettled([request(me), request(me)])
  assert.deepEqual(
    both.map((one) => one.status),
    ['rejected', 'rejected'],
  )
  assert.equal(wx.logins, 1)
  down = false
  assert.equal(await request(me), 'ok')
})

test('wx.login itself can fail', async () => {
  wx.login = () => Promise.reject({ errMsg: 'login:fail no network' })
  const error = await failure(request(me))
  assert.equal(error.code, 'login_failed')
  assert.match(error.detail, /no network/)
})

test('signIn returns the account only if it made a login', async () => {
  wx.server = signsIn(() => ({ data: {} }))
  assert.deepEqual(await signIn(), { id: 'm', cards: [] })
  assert.equal(await signIn(), undefined)
})

test('problem+json becomes an ApiError, whether or not the phone parses it', async () => {
  for (const raw of [false, true]) {
    wx.server = () => {
      const reply = problem(429, 'rate_limited')
      return { ...reply, data: raw ? JSON.stringify(reply.data) : reply.data, header: { 'Retry-After': '7' } }
    }
    const error = await failure(send(me))
    assert.equal(error.code, 'rate_limited')
    assert.equal(error.detail, 'about rate_limited')
    assert.equal(error.status, 429)
    assert.equal(error.requestId, 'abcdef12-3456')
    assert.equal(error.retryAfter, 7)
  }
})

test('the answer of a proxy becomes an ApiError', async () => {
  for (const data of ['<html>502</html>', '', null, 7, { code: 42 }]) {
    wx.server = () => ({ status: 502, data })
    const error = await failure(send(me))
    assert.equal(error.code, 'unexpected')
    assert.equal(error.status, 502)
    assert.equal(error.retryAfter, 0)
  }
})

test('no network, and a timeout', async () => {
  wx.server = () => ({ fail: 'net::ERR_INTERNET_DISCONNECTED' })
  assert.equal((await failure(send(me))).code, 'offline')
  for (const words of [
    'timeout',
    'request timed out',
    'errcode:-118 cronet_error_code:-118 error_msg:net::ERR_CONNECTION_TIMED_OUT',
  ]) {
    wx.server = () => ({ fail: words })
    assert.equal((await failure(send(me))).code, 'timeout', words)
  }
  assert.ok(wx.requests.every((request) => request.timeout > 0))
})

test('only a request with a body has a content type', async () => {
  wx.server = () => ({ data: {} })
  await send(me)
  await send({ method: 'POST', path: '/v1/claims', body: { cardList: [] } }, 'token')
  const [get, post] = wx.requests
  assert.deepEqual(get!.header, {})
  assert.equal(get!.data, undefined)
  assert.deepEqual(post!.header, { 'content-type': 'application/json', authorization: 'Bearer token' })
})
