import { keepReturn } from './services/activation'

App({
  onShow(options: WechatMiniprogram.App.LaunchShowOption) {
    keepReturn(options)
  },
})
