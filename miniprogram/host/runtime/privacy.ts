/**
 * WeChat's privacy check: a call that reads personal data waits until the user
 * has agreed to the shop's 用户隐私保护指引 with a button of the page.
 */
type Answer = { event: 'exposureAuthorization' | 'agree' | 'disagree'; buttonId?: string }
type Listener = (resolve: (answer: Answer) => void, info: { referrer: string }) => void

export class Privacy {
  private listener: Listener | undefined
  private readonly tapped = new Set<string>()

  /** agreed says whether the user has agreed before. */
  constructor(public agreed: boolean) {}

  /** As wx.onNeedPrivacyAuthorization: the last listener replaces the others. */
  listen(listener: Listener): void {
    this.listener = listener
  }

  /** The button with open-type agreePrivacyAuthorization was tapped. */
  tap(buttonId: string): void {
    this.tapped.add(buttonId)
  }

  /** Resolves once the user has agreed, and fails with WeChat's words if the user refuses. */
  async require(referrer: string): Promise<void> {
    if (this.agreed) return
    // Without a listener WeChat shows a sheet of its own, which this host does not draw.
    if (!this.listener) throw new Error('privacy permission is not authorized')
    const answer = await new Promise<Answer>((resolve) => {
      this.listener!(
        (given) => {
          if (given.event !== 'exposureAuthorization') resolve(given)
        },
        { referrer },
      )
    })
    // WeChat looks whether the button was tapped: a page cannot agree for the user.
    if (answer.event !== 'agree' || !this.tapped.has(answer.buttonId ?? ''))
      throw new Error('privacy permission is not authorized')
    this.agreed = true
  }
}
