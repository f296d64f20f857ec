import { keepReturn } from './services/activation'
import { offerUpdate } from './services/update'

App({
  onLaunch: offerUpdate,
  onShow(options: WechatMiniprogram.App.LaunchShowOption) {
    keepReturn(options)
  },
})
