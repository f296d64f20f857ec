/**
 * Requests to addcard: base URL, session, one retry after a 401, time limit,
 * and one kind of error. Nothing else calls wx.request.
 */
import { environment, requestTimeout } from '../config'
import type { Account, LoginOutputBody, Problem } from './api'
import { currentToken, renewToken, type Renewed } from './session'
import { loginCode } from './wechat'

/** What went wrong, when not the server said it. */
export type LocalCode = 'offline' | 'timeout' | 'login_failed' | 'unexpected'
export type ErrorCode = Problem['code'] | LocalCode

/** Every failed request ends in one of these; compare `code`. */
export class ApiError extends Error {
  constructor(
    readonly code: ErrorCode,
    readonly detail: string,
    /** The HTTP status; 0 when there was no answer. */
    readonly status = 0,
    /** Finds the request in the server's log; worth showing to the user. */
    readonly requestId = '',
    /** Seconds after which it is worth trying again; 0 when the server did not say. */
    readonly retryAfter = 0,
  ) {
    super(`${code}: ${detail}`)
    this.name = 'ApiError'
  }

  /** The server has judged the request and would judge it again in the same way. */
  get final(): boolean {
    return this.status >= 400 && this.status < 500 && ![401, 408, 429].includes(this.status)
  }
}

export interface Call {
  method: 'GET' | 'POST' | 'DELETE'
  path: string
  body?: object
}

/** The member's cards ride along with a login; whoever asks for them next need not ask the server. */
let rodeAlong: Account | undefined

/** Makes sure that there is a session. Returns the account when a login was needed for it. */
export async function signIn(): Promise<Account | undefined> {
  rodeAlong = undefined
  if (!currentToken()) await renewToken('', login)
  return rodeAlong
}

/** One request of the signed-in member. */
export async function request<T>(call: Call): Promise<T> {
  const token = currentToken() || (await renewToken('', login))
  try {
    return await send<T>(call, token)
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'session_invalid') throw error
    return send<T>(call, await renewToken(token, login))
  }
}

async function login(): Promise<Renewed> {
  const code = await loginCode().catch((error: unknown) => {
    throw new ApiError(
      'login_failed',
      String((error as WechatMiniprogram.GeneralCallbackResult)?.errMsg ?? error),
    )
  })
  const answer = await send<LoginOutputBody>({ method: 'POST', path: '/v1/session', body: { code } })
  rodeAlong = answer.member
  return { token: answer.token, expiresIn: answer.expires_in }
}

/** One exchange with the server. WeChat calls success for every HTTP status. */
export function send<T>(call: Call, token?: string): Promise<T> {
  return new Promise((resolve, reject) => {
    wx.request({
      url: environment().baseUrl + call.path,
      method: call.method,
      // A GET with data would get it as its query.
      data: call.body as WechatMiniprogram.IAnyObject | undefined,
      header: {
        ...(call.body && { 'content-type': 'application/json' }),
        ...(token && { authorization: `Bearer ${token}` }),
      },
      timeout: requestTimeout,
      success: ({ statusCode, data, header }) => {
        if (statusCode >= 200 && statusCode < 300) resolve(data as T)
        else reject(refusal(statusCode, data, header))
      },
      fail: ({ errMsg }) => {
        reject(new ApiError(/timed?[ _]?out/i.test(errMsg) ? 'timeout' : 'offline', errMsg))
      },
    })
  })
}

/** Reads problem+json; a proxy in between may have answered with anything. */
function refusal(status: number, data: unknown, header: Record<string, string> = {}): ApiError {
  const problem = readProblem(data)
  const after = Object.entries(header).find(([name]) => name.toLowerCase() === 'retry-after')
  return new ApiError(
    problem?.code ?? 'unexpected',
    problem?.detail ?? `HTTP ${status}`,
    status,
    problem?.request_id ?? '',
    Number(after?.[1]) || 0,
  )
}

function readProblem(data: unknown): Problem | undefined {
  // wx.request parses application/json by itself, problem+json only on some phones.
  let value = data
  if (typeof data === 'string') {
    try {
      value = JSON.parse(data) as unknown
    } catch {
      return undefined
    }
  }
  return typeof value === 'object' && value !== null && typeof (value as Problem).code === 'string'
    ? (value as Problem)
    : undefined
}
