from modules.processing.hooks import LATENTS, FinalLatents, Hooks


def payload(value):
    return FinalLatents(latents=value, plan=None)


def test_a_replacement_goes_on_to_the_next_and_none_changes_nothing():
    hooks = Hooks()
    hooks.on(LATENTS, lambda one: payload(one.latents + 1), owner="a")
    hooks.on(LATENTS, lambda one: None, owner="b")
    hooks.on(LATENTS, lambda one: payload(one.latents * 10), owner="c")
    assert hooks.run(LATENTS, payload(1)).latents == 20


def test_a_failing_hook_is_reported_with_its_owner_and_skipped(caplog):
    hooks = Hooks()

    def fail(_):
        raise RuntimeError("broken")

    hooks.on(LATENTS, fail, owner="my extension")
    hooks.on(LATENTS, lambda one: payload(2), owner="fine")
    assert hooks.run(LATENTS, payload(1)).latents == 2
    assert "my extension" in caplog.text


def test_a_listener_can_be_taken_away():
    hooks = Hooks()
    off = hooks.on(LATENTS, lambda one: payload(5), owner="a")
    assert hooks.listens(LATENTS)
    off()
    assert not hooks.listens(LATENTS)
    assert hooks.run(LATENTS, payload(1)).latents == 1
